-- min_code: 22
-- What a process shows before it takes a node's name, so that the next one can be compared with it.

-- A fingerprint of the master key; null until the first node starts or the first signing key is made. A process with another master key is
-- refused. The master key cannot be computed from it.
alter table cluster add column master_key text;

-- The random id that the node's data directory holds; null until a node of this version has started.
alter table nodes add column folder_id text;
-- The machine whose process holds the name; null once that process has stopped cleanly.
alter table nodes add column machine text;
-- The values of the options that should be the same on all nodes.
alter table nodes add column settings jsonb;
