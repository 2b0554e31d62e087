-- min_code: 22
-- The one row is the cluster. Each new leader takes the next epoch from it, and every transaction of a leader locks it. Operators switch
-- maintenance on and off in it, and a restore leaves its mark.

create table cluster (
  one boolean primary key default true check (one),
  -- The name of our pins in Kubo.
  cluster_id uuid not null default gen_random_uuid(),
  -- The number of the present leader. A leader whose epoch is another changes nothing.
  epoch bigint not null default 0,

  -- Maintenance: an operator wants that nothing is repaired or swept for some time. All null while it is off.
  maintenance_reason text,
  maintenance_actor text,
  maintenance_since timestamptz,
  -- Null: until an operator switches it off.
  maintenance_until timestamptz,

  -- Which restore this database came from, and when; null when it never was restored. A node that remembers another id has seen another
  -- database, and its Kubo may have content that this one has never known.
  restore_id uuid,
  restored_at timestamptz,

  constraint maintenance_whole check (
    (maintenance_reason is null) = (maintenance_actor is null) and (maintenance_reason is null) = (maintenance_since is null)
    and (maintenance_until is null or maintenance_reason is not null)),
  constraint restore_whole check ((restore_id is null) = (restored_at is null))
);
insert into cluster default values;

grant select, update on cluster to anchorage_system;
