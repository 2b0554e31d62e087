-- min_code: 22
-- The fence of a leader's writes is the number of its epoch together with the random id of its term. A number may be taken twice, by a
-- database that was restored or that lost commits in a failover. An id is never taken twice.

alter table cluster
  -- The newest term that took its epoch with an id: the number and the id, as `17:…`.
  add column term text,
  -- The present epoch; the writes of its leader name it. A node of the version before, or an operator, changes `epoch` alone. Then it is the
  -- bare number, which such a node names.
  add column fence text not null generated always as
    (case when split_part(term, ':', 1) = epoch::text then term else epoch::text end) stored;

-- Their first parameter is a text now. A node of the version before gives it a bare number, and finds the new functions: parameters have no
-- type on their way to Postgres.
drop function if exists
  assert_epoch(bigint), assert_leading(bigint), add_up_placements(bigint, int), apply_repairs(bigint, jsonb),
  continue_folds(bigint, int), release_due(bigint, int), release_holds(bigint, int, bigint),
  remove_org(bigint, int, bigint, uuid), requeue_expired(bigint, int), settle_moves(bigint, uuid, int, uuid, text),
  start_moves(bigint, uuid, jsonb), wake_put_by(bigint, int);
