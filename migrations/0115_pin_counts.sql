-- min_code: 22
-- One row is the number of an org's pins of one status in one bucket, which is a range of seqs. Every transaction that changes pins or
-- their status updates it, last of all its locks and in the order of the key (`count_pins`).

create table pin_counts (
  org_id uuid not null,
  status text collate "C" not null,
  -- 0: a bucket is 2^10 seqs wide. 1: it is 2^20 wide.
  level smallint not null,
  -- The seqs of its pins, divided by its width.
  bucket bigint not null,
  n bigint not null,
  primary key (org_id, status, level, bucket)
) with (fillfactor = 50);

alter table pin_counts enable row level security, force row level security;
create policy system_all on pin_counts to anchorage_system using (true) with check (true);
create policy own_rows on pin_counts to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());

grant select, insert, update, delete on pin_counts to anchorage_system, anchorage_tenant;
