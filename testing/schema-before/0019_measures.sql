-- min_code: 1
-- How many placements there are of each kind, and how old a node's queue is: what operators watch, at the same cost however many there are.

-- Placements by node, state and reason, as of the last time that the leader added up the changes.
create table placement_counts (
  node_id uuid not null,
  -- the placement's state; `lost` for each one on a node that was given up for down
  state text collate "C" not null,
  reason text collate "C" not null,
  n bigint not null,
  -- of those that are pinned
  bytes bigint not null,
  primary key (node_id, state, reason)
);

-- The changes since then. Rows are only added, so that no writer waits for another.
create table placement_changes (
  node_id uuid not null,
  state text collate "C" not null,
  reason text collate "C" not null,
  n bigint not null,
  bytes bigint not null
);

grant select, insert, update, delete on placement_counts, placement_changes to anchorage_system;

-- Runs once a statement, however many rows that changes. A statement that only notes progress adds nothing.
create function note_placement_changes() returns trigger language plpgsql as $$
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

create trigger placements_added after insert on placements
  referencing new table as after for each statement execute function note_placement_changes();
create trigger placements_changed after update on placements
  referencing old table as before new table as after for each statement execute function note_placement_changes();
create trigger placements_removed after delete on placements
  referencing old table as before for each statement execute function note_placement_changes();

-- Adds up at most `most` changes under the leader's epoch, and removes them; returns how many there were.
create function add_up_placements(of_leader bigint, most int) returns int language plpgsql as $$
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

-- For how many ms the placement of a node that waits longest has been due; 0 when none is. It looks at one row an org, and at a thousand
-- orgs at the most; placements of suspended orgs are never due.
create function queue_oldest_ms(node uuid) returns bigint language sql stable as $$
  with recursive kinds (again) as (values (false), (true)), waiting (again, org_id, at, n) as (
    select k.again, q.org_id, q.next_attempt_at, 1 from kinds k cross join lateral (
      select p.org_id, p.next_attempt_at from placements p
      where p.node_id = node and p.state = 'queued' and p.retrying = k.again order by p.org_id, p.next_attempt_at limit 1) q
    union all
    select w.again, q.org_id, q.next_attempt_at, w.n + 1 from waiting w cross join lateral (
      select p.org_id, p.next_attempt_at from placements p
      where p.node_id = node and p.state = 'queued' and p.retrying = w.again and p.org_id > w.org_id
      order by p.org_id, p.next_attempt_at limit 1) q
    where w.n < 1000
  ), due (at) as (
    select w.at from waiting w
    union all
    (select p.next_attempt_at from placements p where p.node_id = node and p.state = 'unpinning' order by p.next_attempt_at limit 1)
  )
  select coalesce(extract(epoch from clock_timestamp() - min(at)) * 1000, 0)::bigint from due where at < clock_timestamp()
$$;

do $$
declare
  f regprocedure;
begin
  foreach f in array array['note_placement_changes()', 'add_up_placements(bigint, int)', 'queue_oldest_ms(uuid)']::regprocedure[] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
end $$;

-- The placements that there are already. Writers wait meanwhile: about a second for each million of them.
lock table placements in share row exclusive mode;
set role anchorage_system;
insert into placement_counts (node_id, state, reason, n, bytes)
select node_id, case when lost then 'lost' else state end, reason, count(*), coalesce(sum(bytes) filter (where state = 'pinned'), 0)
from placements group by 1, 2, 3;
reset role;
