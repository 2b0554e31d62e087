-- Contents marked for repair.
create or replace function unsettled_contents(after text, most int) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  select * from content_copies(array(select c.cid from contents c where c.unsettled and c.cid > after order by c.cid limit most))
$$;
