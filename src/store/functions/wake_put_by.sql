-- Takes one step of the walk that follows the resume of an org. Of the next `most` contents with placements that put_by set aside, those
-- that an org which is not suspended wants are due now. orgs.wake_after records how far the walk has come.
-- Locks: the cluster's row (share); the org's row; contents in cid order; placements.
-- Returns: {walked, jobs}. `walked` is 0 when no org is to be walked for, else how many contents the step passed, but at least 1. `jobs`:
-- [{cid, node_id, generation, attempt, org_id}].
-- Raises: AN002 and AN003 (assert_leading).
create or replace function wake_put_by(of_leader text, most int) returns jsonb language plpgsql as $$
declare
  walk record;
  cids text[];
  jobs jsonb;
begin
  perform assert_leading(of_leader);
  select o.id, o.wake_after into walk from orgs o where o.wake_after is not null order by o.id limit 1 for update;
  if not found then return '{"walked": 0, "jobs": []}'; end if;
  cids := array(
    select distinct p.cid from placements p where p.next_attempt_at = 'infinity' and p.cid > walk.wake_after order by p.cid limit most);
  perform lock_contents(cids);
  with woken as (
    update placements p set generation = nextval('placement_generation'), next_attempt_at = clock_timestamp(), retrying = false,
      crashes = 0, attempts_before = p.attempts, wanted_since = clock_timestamp()
    where p.cid = any (cids) and p.next_attempt_at = 'infinity' and p.state = 'queued' and is_worked_for(p.cid)
    returning p.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('cid', w.cid, 'node_id', w.node_id, 'generation', w.generation, 'attempt', 1,
    'org_id', w.org_id)), '[]') into jobs from woken w;
  update orgs o set wake_after = case when cardinality(cids) = most then cids[most] end where o.id = walk.id;
  return jsonb_build_object('walked', greatest(cardinality(cids), 1), 'jobs', jobs);
end $$;
