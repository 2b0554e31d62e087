-- Trigger on pins: deletes a pin's row of pin_names after the pin is deleted. Security definer, because an org may not write pin_names.
-- Locks: this row of pin_names.
set local role anchorage_system;
create or replace function forget_name() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  delete from pin_names where pin_id = old.id;
  return null;
end $$;
-- the owner of pins creates the trigger, and must be allowed to call its function
grant execute on function forget_name to session_user;
reset role;

create or replace trigger forget_name after delete on pins
  for each row when (old.name is not null) execute function forget_name();
