-- Gives each content of an accept the copies that it wants: makes the contents that do not exist, asks again for the placements that exist
-- (wake_placements), and makes those that are missing (make_placements). `items`: [{cid, replicas?, origins?, nodes}], where `nodes` are
-- node ids, the best one first; `usual` is the number of replicas of an item that does not say one. Content that gets fewer copies than it
-- wants, or has more, is marked for the leader's repair.
-- Security definer: an org may not touch contents and placements. The caller holds the org's row.
-- Locks: the nodes (hold_nodes); contents in cid order; placements by cid and node.
-- Returns: {cid: {copies, pinned, pinning, attempts, woken, size}}. `copies` is how many placements count as copies now. `pinned`,
-- `pinning` and `attempts` are those of wake_placements, or null for content that had no placement. `woken` are the placements to hint at:
-- [{nodeId, generation, attempt}]. `size` is in bytes, or null. Content is left out when it has no placement and its size is not known.
-- Raises: 42501 when no org is set.
set local role anchorage_system;
create or replace function want_contents(items jsonb, usual int) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  org uuid := current_org();
  at timestamptz;
  sizes jsonb;
  had jsonb;
  made jsonb;
begin
  if org is null then raise exception 'no org is set' using errcode = '42501'; end if;
  perform hold_nodes();
  with locked as (
    insert into contents as c (cid, wanted)
    select i.cid, max(coalesce(i.replicas, usual)) from jsonb_to_recordset(items) as i (cid text, replicas int)
    group by i.cid order by i.cid
    on conflict (cid) do update set unpin_after = null, wanted = greatest(c.wanted, excluded.wanted)
    returning c.cid, c.dag_size
  )
  select coalesce(jsonb_object_agg(l.cid, l.dag_size) filter (where l.dag_size is not null), '{}') into sizes from locked l;
  at := clock_timestamp();
  had := wake_placements(items, usual, at);
  made := make_placements(items, usual, org, at, had);
  return (
    select coalesce(jsonb_object_agg(c, jsonb_build_object('pinned', had -> c -> 'pinned', 'pinning', had -> c -> 'pinning',
      'attempts', had -> c -> 'attempts', 'size', sizes -> c,
      'copies', coalesce((had -> c ->> 'copies')::int, 0) + coalesce(jsonb_array_length(made -> c), 0),
      'woken', coalesce(had -> c -> 'woken', '[]') || coalesce(made -> c, '[]'))), '{}')
    from (select jsonb_object_keys(had) union select jsonb_object_keys(coalesce(made, '{}')) union select jsonb_object_keys(sizes)) k (c));
end $$;
grant execute on function want_contents to anchorage_tenant;
