-- min_code: 22
-- Whether a node has compared its Kubo with a database that was restored.

-- The database was restored, and since then this node has not looked whether its Kubo has what its placements say. So they may say `pinned` of
-- content that it does not have. While this holds for any node, no node removes anything.
alter table nodes add column uncompared boolean not null default false;

-- The newest generation that was given out before the last restore; 0 without one. A placement with an older one may say what was wanted then.
alter table cluster add column restored_generation bigint not null default 0;

update nodes n set uncompared = true from cluster c where n.confirmed_restore is distinct from c.restore_id;
