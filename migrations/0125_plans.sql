-- min_code: 22
-- One row is a plan: a list of moves of copies between nodes. An operator makes, applies, pauses or cancels it. The leader counts its
-- moves, and a trigger of `plan_moves` their bytes. A worker deletes old plans.

create table plans (
  id uuid primary key,
  created_at timestamptz not null default clock_timestamp(),
  -- Who made it.
  actor text not null,
  state text not null default 'planned' check (state in ('planned', 'applying', 'paused', 'applied', 'cancelled')),
  -- All of its moves are saved. Until then no reader sees the plan.
  whole boolean not null default false,
  -- The figures behind the plan, for people.
  summary jsonb not null,

  -- How many moves it has, how many of these are done, and how many were skipped; and the same in bytes.
  moves integer not null default 0,
  done integer not null default 0,
  skipped integer not null default 0,
  bytes bigint not null default 0,
  bytes_done bigint not null default 0,
  bytes_skipped bigint not null default 0
) with (fillfactor = 70);

-- Which plans are the newest, and which are old enough to be deleted?
create index plans_by_time on plans (created_at, id);
-- Which plan is the oldest that is being applied?
create index plans_applying on plans (created_at, id) where state = 'applying';

grant select, insert, update, delete on plans to anchorage_system;
