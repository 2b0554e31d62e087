-- min_code: 22
-- One row is one move of a plan: a copy that goes from one node to another. It is saved with its plan. The leader begins it and notes its
-- end.

create table plan_moves (
  plan_id uuid not null,
  -- Its place in the plan; moves begin in this order.
  number integer not null,
  cid text collate "C" not null,
  from_node uuid not null,
  to_node uuid not null,
  bytes bigint not null,
  -- Why the plan has this move, for people.
  reason text not null,
  -- `moving`: the new copy is under way, or the old one not gone yet. `skipped`: it no longer fitted when it was to begin.
  state text not null default 'planned' check (state in ('planned', 'moving', 'done', 'skipped')),
  -- Why it was skipped.
  note text,
  primary key (plan_id, number)
) with (fillfactor = 80);

-- Which moves of a plan begin next?
create index plan_moves_planned on plan_moves (plan_id, number) where state = 'planned';
-- Which moves are under way?
create index plan_moves_moving on plan_moves (plan_id, number) where state = 'moving';

grant select, insert, update, delete on plan_moves to anchorage_system;
