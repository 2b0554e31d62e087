-- Part of finish_placements: deletes the placements that were unpinned and still have the generation of their claim, and each content that
-- has no placement left and that no pin has or keeps. `tids` are the ctids of the claimed placements. The caller holds their rows and those
-- of their contents.
-- Locks: nothing more.
create or replace function remove_unpinned(tids tid[], finishes jsonb) returns void language plpgsql as $$
declare
  gone text;
begin
  for gone in
    delete from placements q using jsonb_to_recordset(finishes) as f (cid text, generation bigint, kind text)
    where q.ctid = any (tids) and q.cid = f.cid and q.generation = f.generation and f.kind = 'unpinned'
    returning q.cid
  loop
    if not exists (select from placements q where q.cid = gone) and not is_wanted(gone) then
      delete from contents c where c.cid = gone and not exists (select from pins p where p.cid = gone);
    end if;
  end loop;
end $$;
