-- Notes the names of the org's next `most` pins in pin_names, for orgs that search for parts of names. Security definer: an org may not
-- write pin_names. An org's pins are committed in the order of `created`, so no pin appears later among those that were passed. A pin that
-- is being deleted is waited for, and then skipped.
-- Locks: the org's row of name_marks; at the first call the org's row (key share); the pins in the order of `created` (key share).
-- Returns: whether there may be more to note.
set local role anchorage_system;
create or replace function note_names(most int) returns boolean language plpgsql security definer set search_path = public, pg_temp as $$
declare
  org uuid := current_org();
  mark timestamptz;
  n int;
begin
  insert into name_marks (org_id, seq, created) values (org, 0, '-infinity') on conflict do nothing;
  select m.created into mark from name_marks m where m.org_id = org for update;
  with next as materialized (
    select p.id, p.seq, p.created, p.name, p.name_folded from pins p where p.org_id = org and p.created > mark
    order by p.created limit most for key share
  ), noted as (
    insert into pin_names (pin_id, org_id, seq, name, folded)
    select x.id, org, x.seq, nullif(x.name, x.name_folded), x.name_folded from next x where x.name is not null
  ), marked as (
    update name_marks m set seq = x.seq, created = x.created from (select max(seq) as seq, max(created) as created from next) x
    where m.org_id = org and x.seq is not null
  )
  select count(*) into n from next;
  return n = most;
end $$;
grant execute on function note_names to anchorage_tenant;
