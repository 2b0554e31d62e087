-- min_code: 1
-- Figures that operators read, each at the same cost however many pins there are: which tokens are over, and how much of a plan was moved.

-- Whether a signing key was retired: tokens that it signed are over with it. An org is not to read the keys; it knows the ids of its tokens' own.
create function is_retired(key uuid) returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select from signing_keys k where k.id = key and k.state = 'retired')
$$;

-- ---------------------------------------------------------------- bytes of a plan's moves

alter table plans
  add column bytes_done bigint not null default 0,
  add column bytes_skipped bigint not null default 0;

-- Runs once a statement; moves that begin change nothing here.
create function note_moves() returns trigger language plpgsql as $$
begin
  update plans p set bytes_done = p.bytes_done + d.done, bytes_skipped = p.bytes_skipped + d.skipped
  from (
    select plan_id, sum(case when state = 'done' then n * bytes else 0 end) as done,
      sum(case when state = 'skipped' then n * bytes else 0 end) as skipped
    from (select plan_id, state, bytes, 1 as n from after union all select plan_id, state, bytes, -1 from before) m
    group by plan_id
  ) d
  where p.id = d.plan_id and (d.done <> 0 or d.skipped <> 0);
  return null;
end $$;

create trigger moves_changed after update on plan_moves
  referencing old table as before new table as after for each statement execute function note_moves();

revoke all on function is_retired(uuid), note_moves() from public;
grant execute on function is_retired(uuid) to anchorage_tenant;
grant execute on function note_moves() to anchorage_system;
alter function is_retired(uuid) owner to anchorage_system;

-- ---------------------------------------------------------------- what there is already

lock table plan_moves in share row exclusive mode;
set role anchorage_system;
update plans p set bytes_done = d.done, bytes_skipped = d.skipped
from (select plan_id, coalesce(sum(bytes) filter (where state = 'done'), 0) as done,
        coalesce(sum(bytes) filter (where state = 'skipped'), 0) as skipped from plan_moves group by plan_id) d
where p.id = d.plan_id;
-- of the nodes that are even: there is nothing to carry out
update plans set state = 'applied' where whole and moves = 0 and state = 'planned';
reset role;
