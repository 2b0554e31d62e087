-- min_code: 22
-- One row is a pin: one org's request for a CID. An accept inserts it, a delete or a replace deletes it. The transactions that change its
-- content's placements keep `status` and `counted_bytes` up to date. The columns of fixed width come first, which keeps rows small.

create table pins (
  org_id uuid not null,
  id uuid not null,
  -- The pin's number in its org. Numbers are given without gaps, in the order of `created`. Pages and counts go by it.
  seq bigint not null,
  -- Unique in its org. It can run ahead of the clock, so ages are computed from `accepted_at`.
  created timestamptz not null,
  accepted_at timestamptz not null,
  -- The bytes that it adds to its org's usage: the DAG's size, once for each replica. 0 until the size is known, and when it was refused.
  counted_bytes bigint not null default 0,
  -- About how many bytes it takes in an answer, with its copies' states. A page that ends by bytes need not read what it does not show.
  -- Null: not noted yet.
  shown_bytes integer,
  -- The attempts of its placements before it was accepted. They do not count as its own.
  attempts_before integer not null default 0,
  replicas smallint not null,

  cid text collate "C" not null references contents,
  -- The client's spelling of the CID, where it differs from `cid`.
  cid_text text,
  name text collate "C",
  -- The name in the form that searches without regard to case compare.
  name_folded text collate "C",
  meta jsonb,
  origins text[],
  -- The content that a replace keeps until this pin is pinned; at most one CID.
  holds text[] collate "C",

  status text collate "C" not null check (status in ('queued', 'pinning', 'pinned', 'failed')),
  -- Why this org's pin was refused. A refusal concerns one org, so it never fails another org's pin.
  error_code text,

  primary key (org_id, id)
) with (fillfactor = 80);

-- Which pin was created before or after a given time?
create unique index pins_by_created on pins (org_id, created);
-- Which pins have this status, newest first, and how many are there up to a seq?
create index pins_by_status on pins (org_id, status, seq);
-- Which pins have this name?
create index pins_by_name on pins (org_id, name_folded, name, seq) where name is not null;
-- Which pins want this content? The system's folds and its search for a last reference go by content, so this index leads with the CID.
-- An org's filter by CID is an equality on both columns, so the index serves it too.
create index pins_by_content on pins (cid, org_id, seq);
-- Which number of replicas is the largest among a content's pins? Asked when one of them is deleted.
create index pins_replicated on pins (cid, replicas) where replicas > 1;
-- Which orgs offer origins for this content, and in which of their newest pins?
create index pins_with_origins on pins (cid, org_id, seq) where origins is not null;
-- Does any pin hold this content?
create index pins_holding on pins using gin (holds) where holds is not null;
-- Which pins are pinned, and can release what they hold?
create index pins_to_let_go on pins (org_id, id) where holds is not null and status = 'pinned';

alter table pins enable row level security, force row level security;
create policy system_all on pins to anchorage_system using (true) with check (true);
create policy own_rows on pins to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());

grant select, insert, update, delete on pins to anchorage_system, anchorage_tenant;
