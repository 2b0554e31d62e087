-- Reads the next `most` contents after the cid `after` that are marked for repair, in cid order, as content_copies shows them.
-- Locks: nothing.
create or replace function unsettled_contents(after text, most int) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  select * from content_copies(array(select c.cid from contents c where c.unsettled and c.cid > after order by c.cid limit most))
$$;
