-- Contents with a placement on a node.
create or replace function contents_on(node uuid, after text, most int) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  select * from content_copies(array(
    select p.cid from placements p where p.node_id = node and p.cid > after order by p.cid limit most))
$$;
