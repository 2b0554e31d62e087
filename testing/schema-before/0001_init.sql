-- min_code: 1
-- Postgres says what should be. Roles: the owner runs this file, anchorage_tenant serves an org's requests under row-level
-- security, anchorage_system runs workers and look-ups. Every transaction that touches content locks in one order:
-- org row or, for the leader, the cluster's -> that no node is closed meanwhile (hold_nodes) -> contents in cid order -> placements
-- -> pins -> org_usage in the order of orgs -> pin_counts in key order.

-- The org that this transaction speaks for; null (no rows) when none was set. After a commit the setting reads ''.
create function current_org() returns uuid language sql stable parallel safe
  return nullif(current_setting('anchorage.org_id', true), '')::uuid;

-- ---------------------------------------------------------------- the cluster

create table cluster (
  one boolean primary key default true check (one),
  cluster_id uuid not null default gen_random_uuid(),
  epoch bigint not null default 0
);
insert into cluster default values;

create table nodes (
  id uuid primary key,
  name text not null unique,
  peer_id text,
  multiaddrs text[] not null default '{}',
  zone text,
  capacity_bytes bigint,
  used_bytes bigint,
  cordoned_at timestamptz,
  incarnation bigint not null default 1,
  last_seen timestamptz not null default now(),
  created_at timestamptz not null default now()
) with (fillfactor = 70);

-- ---------------------------------------------------------------- orgs and their tokens

create table orgs (
  id uuid primary key,
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  max_pins bigint check (max_pins >= 0),
  max_bytes bigint check (max_bytes >= 0),
  default_replicas smallint not null default 1 check (default_replicas between 1 and 100),
  last_created timestamptz not null default '1970-01-01Z',
  last_seq bigint not null default 0,
  created_at timestamptz not null default now()
) with (fillfactor = 50);

create table signing_keys (
  id uuid primary key,
  wrapped bytea not null,
  state text not null check (state in ('active', 'verify', 'retired')),
  created_at timestamptz not null default now()
);
create unique index signing_keys_one_active on signing_keys (state) where state = 'active';

create table api_tokens (
  id uuid primary key,
  org_id uuid not null references orgs,
  key_id uuid not null references signing_keys,
  name text,
  scopes text[] not null,
  expires_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now()
);
create index api_tokens_of_org on api_tokens (org_id);

-- ---------------------------------------------------------------- content and where it lies (the system's, shared by orgs)

create table contents (
  cid text collate "C" primary key,
  wanted smallint not null check (wanted between 1 and 100),
  dag_size bigint,
  block_count bigint,
  -- set when nobody wants it any more; unpinned after this time
  unpin_after timestamptz,
  -- the fold of its pins stopped at its limit and goes on
  folding boolean not null default false
) with (fillfactor = 80);
create index contents_to_unpin on contents (unpin_after) where unpin_after is not null;
create index contents_folding on contents (cid) where folding;

-- One sequence for all: taken anew at creation and at every change of intent, so no number ever means two things.
create sequence placement_generation as bigint;

-- Without foreign keys: only functions write here, under the content's lock, and two look-ups a row are what an accept can spare.
create table placements (
  cid text collate "C" not null,
  node_id uuid not null,
  generation bigint not null,
  state text not null check (state in ('queued', 'pinning', 'pinned', 'failed', 'unpinning')),
  reason text not null check (reason in ('new', 'drain', 'node_down', 'rebalance', 'repair')),
  -- the org that asked first: fair shares are between these
  org_id uuid not null,
  -- attempts ever; crashes in a row (claims ended by neither finish nor release)
  attempts integer not null default 0,
  crashes integer not null default 0,
  -- attempts when it was last asked for: backoff counts from here
  attempts_before integer not null default 0,
  retrying boolean not null default false,
  -- an unpin or a crash came before: look at Kubo before believing that a pin stands
  verify boolean not null default false,
  -- pin.maxAge counts from here
  wanted_since timestamptz not null,
  next_attempt_at timestamptz not null,
  claimed_until timestamptz,
  claimed_by bigint,
  claimed_generation bigint,
  error_code text,
  error text,
  blocks bigint not null default 0,
  bytes bigint not null default 0,
  foreign_pin boolean not null default false,
  primary key (cid, node_id)
) with (fillfactor = 70);
-- claimed_until, blocks and bytes stand in no index, so heartbeats stay heap-only
create index placements_of_node on placements (node_id, cid);
create index placements_due on placements (node_id, retrying, org_id, next_attempt_at) where state = 'queued';
create index placements_unpinning on placements (node_id, next_attempt_at) where state = 'unpinning';
create index placements_pinning on placements (node_id) where state = 'pinning';

-- ---------------------------------------------------------------- pins (an org's; forced row-level security)

create table pins (
  org_id uuid not null,
  id uuid not null,
  -- dense, in the order of created; what pages and counts go by
  seq bigint not null,
  cid text collate "C" not null references contents,
  -- the client's spelling where it differs from the canonical one
  cid_text text,
  name text collate "C",
  name_folded text collate "C",
  meta jsonb,
  origins text[],
  replicas smallint not null,
  -- content that a replace keeps until this pin stands
  holds text[] collate "C",
  status text collate "C" not null check (status in ('queued', 'pinning', 'pinned', 'failed')),
  -- this org's own verdict; one org's never fails another's pin
  error_code text,
  -- attempts of its placements before this pin was accepted
  attempts_before integer not null default 0,
  created timestamptz not null,
  accepted_at timestamptz not null,
  primary key (org_id, id)
) with (fillfactor = 80);
create unique index pins_by_created on pins (org_id, created);
create index pins_by_status on pins (org_id, status, seq);
create index pins_by_name on pins (org_id, name_folded, name, seq) where name is not null;
-- the one index that does not lead with the org: the system's fold and last-reference question go by content,
-- and an org's filter by cid is an equality on both columns
create index pins_by_content on pins (cid, org_id, seq);
create index pins_holding on pins using gin (holds) where holds is not null;
create index pins_to_let_go on pins (org_id, id) where holds is not null and status = 'pinned';

create table pin_meta (
  org_id uuid not null,
  key text collate "C" not null,
  value text collate "C" not null,
  seq bigint not null,
  primary key (org_id, key, value, seq)
);

-- How many pins of a status lie in each bucket of seq: level 0 is 2^10 wide, level 1 is 2^20 wide.
create table pin_counts (
  org_id uuid not null,
  status text collate "C" not null,
  level smallint not null,
  bucket bigint not null,
  n bigint not null,
  primary key (org_id, status, level, bucket)
) with (fillfactor = 50);

-- ---------------------------------------------------------------- audit: append only, whole old months dropped by a role of its own

create table audit_log (
  -- whole milliseconds, as JavaScript's dates: whoever pages by it passes over none
  at timestamptz(3) not null default clock_timestamp(),
  id uuid not null,
  org_id uuid,
  actor text not null,
  action text not null,
  target text not null,
  details jsonb,
  primary key (at, id)
) partition by range (at);
create index audit_log_of_org on audit_log (org_id, at);
create table audit_log_rest partition of audit_log default;

-- Makes the partitions of this month and the next two. A late run leaves its rows in the default partition, where they stay.
create function audit_extend() returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  month timestamptz;
begin
  for i in 0..2 loop
    month := date_trunc('month', now() at time zone 'utc') at time zone 'utc' + make_interval(months => i);
    begin
      execute format('create table if not exists %I partition of audit_log for values from (%L) to (%L)',
        'audit_log_' || to_char(month at time zone 'utc', 'YYYYMM'), month, month + interval '1 month');
    exception when check_violation then null;
    end;
  end loop;
end $$;

-- ---------------------------------------------------------------- row-level security

do $$
declare
  t text;
begin
  foreach t in array array['orgs', 'api_tokens', 'pins', 'pin_meta', 'pin_counts', 'audit_log'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy system_all on %I to anchorage_system using (true) with check (true)', t);
  end loop;
  foreach t in array array['pins', 'pin_meta', 'pin_counts'] loop
    execute format('create policy own_rows on %I to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org())', t);
  end loop;
end $$;
create policy own_org on orgs to anchorage_tenant using (id = current_org());
create policy own_audit_read on audit_log for select to anchorage_tenant using (org_id = current_org());
create policy own_audit_write on audit_log for insert to anchorage_tenant with check (org_id = current_org());

grant select, update (last_created, last_seq) on orgs to anchorage_tenant;
grant select, insert, update, delete on pins, pin_meta, pin_counts to anchorage_tenant;
grant select, insert on audit_log to anchorage_tenant, anchorage_system;
grant select, insert, update, delete on orgs, signing_keys, api_tokens, nodes, contents, placements, pins, pin_meta, pin_counts
  to anchorage_system;
grant select, update on cluster to anchorage_system;
grant usage on sequence placement_generation to anchorage_system;

revoke all on function audit_extend() from public;
grant execute on function audit_extend() to anchorage_system;
alter table audit_log_rest owner to anchorage_audit;
alter table audit_log owner to anchorage_audit;
alter function audit_extend() owner to anchorage_audit;
