-- TODO
create or replace function refold() returns trigger language plpgsql as $$
begin
  update refolds set after = '';
  return null;
end $$;

create or replace trigger nodes_came_or_went after insert or delete or update of state, down_at on nodes
  for each statement execute function refold();
