-- Trigger on nodes: begins the walk of continue_folds over the contents that lack copies, because the number of nodes for content may have
-- changed. A pin that wants more copies than there are such nodes may get another status.
-- Locks: the row of refolds.
create or replace function refold() returns trigger language plpgsql as $$
begin
  update refolds set after = '';
  return null;
end $$;

create or replace trigger nodes_came_or_went after insert or delete or update of state, down_at on nodes
  for each statement execute function refold();
