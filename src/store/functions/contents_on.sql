-- Reads the next `most` contents, in cid order after `after`, that have a placement on a node.
-- Locks: nothing.
-- Returns: their rows as content_copies returns them, in no order.
create or replace function contents_on(node uuid, after text, most int) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  select * from content_copies(array(
    select p.cid from placements p where p.node_id = node and p.cid > after order by p.cid limit most))
$$;
