-- min_code: 22
-- One row is an org: a tenant. Operators create it, set its limits, and suspend or remove it. Each accept of pins locks the row and moves
-- `last_created` and `last_seq` on. The leader deletes the row once nothing of the org is left.

create table orgs (
  id uuid primary key,
  -- The org's name. Its form keeps it from being mistaken for an id.
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  created_at timestamptz not null default now(),

  -- Limits; null means no limit. `max_bytes` counts each pin's content once for each copy. `max_replicas` bounds each single pin.
  max_pins bigint check (max_pins >= 0),
  max_bytes bigint check (max_bytes >= 0),
  max_replicas smallint check (max_replicas between 1 and 100),
  -- The number of replicas of a pin that asks for none; null means the cluster's default.
  default_replicas smallint check (default_replicas between 1 and 100),

  -- `created` and `seq` of the org's newest pin. The next pin gets greater ones.
  last_created timestamptz not null default '1970-01-01Z',
  last_seq bigint not null default 0,

  -- While the org is suspended, its requests are refused and its unfinished work is put by.
  suspended_at timestamptz,
  -- Refused requests are answered with this reason.
  suspended_reason text,
  -- An operator asked for the removal of the org, with all that it has. The org stays suspended until the leader has removed it.
  removing_at timestamptz,
  -- After a resume, the leader walks over the work that was put by, in CID order. This is the last CID of the walk so far, '' at its
  -- start; null when there is no walk.
  wake_after text collate "C",

  constraint suspension_whole check (
    (suspended_at is null) = (suspended_reason is null) and (removing_at is null or suspended_at is not null)
    and (wake_after is null or suspended_at is null))
) with (fillfactor = 50);

-- Does any org have a limit of bytes? Bytes under way are counted only if so.
create index orgs_with_max_bytes on orgs (id) where max_bytes is not null;
-- Which orgs are suspended? Every claim asks this; the index is usually empty.
create index orgs_suspended on orgs (id) where suspended_at is not null;
-- Which org is removed next?
create index orgs_removing on orgs (removing_at) where removing_at is not null;
-- Which orgs have a walk?
create index orgs_waking on orgs (id) where wake_after is not null;

alter table orgs enable row level security, force row level security;
create policy system_all on orgs to anchorage_system using (true) with check (true);
create policy own_org on orgs to anchorage_tenant using (id = current_org());

grant select, insert, update, delete on orgs to anchorage_system;
grant select, update (last_created, last_seq) on orgs to anchorage_tenant;
