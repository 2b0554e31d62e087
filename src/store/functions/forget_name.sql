-- TODO
set local role anchorage_system;
create or replace function forget_name() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  delete from pin_names where pin_id = old.id;
  return null;
end $$;
-- the owner of the table makes the trigger
grant execute on function forget_name to session_user;
reset role;

create or replace trigger forget_name after delete on pins
  for each row when (old.name is not null) execute function forget_name();
