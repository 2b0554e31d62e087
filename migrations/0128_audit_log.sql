-- min_code: 22
-- One row says that someone changed something. The transaction of the change inserts it. No login can change or delete a row: the table
-- belongs to `anchorage_audit`, which does not log in. Whole old months go in only one way: `audit_drop` drops them, and writes a row about
-- it. `audit_extend` makes the partitions of months.

create table audit_log (
  -- Whole milliseconds, as in JavaScript's dates, so a reader who pages by it skips no row.
  at timestamptz(3) not null default clock_timestamp(),
  id uuid not null,
  -- Null when the change concerns no single org.
  org_id uuid,
  -- Who did it: the id of a user or a token, or the name of a worker or a command.
  actor text not null,
  action text not null,
  -- The id or the name of what was changed.
  target text not null,
  details jsonb,
  primary key (at, id)
) partition by range (at);

-- What happened in this org, newest first?
create index audit_log_of_org on audit_log (org_id, at);

-- Takes the rows of a month whose partition was not made in time. They stay here.
create table audit_log_rest partition of audit_log default;

-- The partitions have no policies: no login has a grant on them.
alter table audit_log enable row level security, force row level security;
create policy system_all on audit_log to anchorage_system using (true) with check (true);
create policy own_audit_read on audit_log for select to anchorage_tenant using (org_id = current_org());
create policy own_audit_write on audit_log for insert to anchorage_tenant with check (org_id = current_org());
-- The row about dropped months.
create policy own_drops on audit_log for insert to anchorage_audit with check (org_id is null and action = 'audit.drop');

grant select, insert on audit_log to anchorage_system, anchorage_tenant;

alter table audit_log_rest owner to anchorage_audit;
alter table audit_log owner to anchorage_audit;
