-- min_code: 1
-- Figures that operators read, each at the same cost however many pins there are: the bytes of a node, and of a plan what it has moved.

-- Whether a signing key was retired: tokens that it signed are over with it. An org is not to read the keys; it knows the ids of its tokens' own.
create function is_retired(key uuid) returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select from signing_keys k where k.id = key and k.state = 'retired')
$$;

-- ---------------------------------------------------------------- bytes beside the counts of placements

-- Bytes of those that are pinned.
alter table placement_counts add column bytes bigint not null default 0;
alter table placement_changes add column bytes bigint not null default 0;

create or replace function note_placement_changes() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into placement_changes (node_id, state, reason, n, bytes)
    select node_id, case when lost then 'lost' else state end, reason, count(*), coalesce(sum(bytes) filter (where state = 'pinned'), 0)
    from after group by 1, 2, 3;
  elsif tg_op = 'DELETE' then
    insert into placement_changes (node_id, state, reason, n, bytes)
    select node_id, case when lost then 'lost' else state end, reason, -count(*), -coalesce(sum(bytes) filter (where state = 'pinned'), 0)
    from before group by 1, 2, 3;
  else
    insert into placement_changes (node_id, state, reason, n, bytes)
    select node_id, case when lost then 'lost' else state end, reason, sum(n), sum(case when state = 'pinned' then n * bytes else 0 end)
    from (select node_id, lost, state, reason, bytes, 1 as n from after
          union all select node_id, lost, state, reason, bytes, -1 from before) d
    group by 1, 2, 3 having sum(n) <> 0 or sum(case when state = 'pinned' then n * bytes else 0 end) <> 0;
  end if;
  return null;
end $$;

create or replace function add_up_placements(of_leader bigint, most int) returns int language plpgsql as $$
declare
  taken int;
begin
  perform assert_epoch(of_leader);
  with gone as (
    delete from placement_changes where ctid = any (array(select ctid from placement_changes limit most)) returning *
  ), added as (
    insert into placement_counts as c (node_id, state, reason, n, bytes)
    select node_id, state, reason, sum(n), sum(bytes) from gone group by 1, 2, 3 order by 1, 2, 3
    on conflict (node_id, state, reason) do update set n = c.n + excluded.n, bytes = c.bytes + excluded.bytes
  )
  select count(*) into taken from gone;
  delete from placement_counts where n = 0 and bytes = 0;
  return taken;
end $$;

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

-- Writers wait meanwhile, as in 0019: about a second for each million placements.
lock table placements, plan_moves in share row exclusive mode;
set role anchorage_system;
delete from placement_changes;
delete from placement_counts;
insert into placement_counts (node_id, state, reason, n, bytes)
select node_id, case when lost then 'lost' else state end, reason, count(*), coalesce(sum(bytes) filter (where state = 'pinned'), 0)
from placements group by 1, 2, 3;
update plans p set bytes_done = d.done, bytes_skipped = d.skipped
from (select plan_id, coalesce(sum(bytes) filter (where state = 'done'), 0) as done,
        coalesce(sum(bytes) filter (where state = 'skipped'), 0) as skipped from plan_moves group by plan_id) d
where p.id = d.plan_id;
-- of the nodes that are even: there is nothing to carry out
update plans set state = 'applied' where whole and moves = 0 and state = 'planned';
reset role;
