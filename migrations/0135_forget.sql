-- min_code: 22
-- What `admin forget --accept-loss` leaves behind.

-- When a node was deleted for good that had the only pinned copy; null again once a copy is pinned.
alter table contents add column lost_at timestamptz;

-- An operator deletes the node for good, and this is what was counted before the first row was removed: {placements, lost?: {contents, pins,
-- orgs, bytes}}. It outlives a command that breaks off, and is written to the audit at the end. Null otherwise.
alter table nodes add column forgetting jsonb;
