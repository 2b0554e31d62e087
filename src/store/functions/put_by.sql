-- Sets aside those of a node's jobs that only suspended orgs wait for, and up to 400 other placements of each suspended org that are due on
-- the node. A placement that is set aside is due at `infinity`: it waits until an org that is not suspended asks for it, or until the
-- leader wakes it after a resume. An attempt under way finds another generation and stops. `jobs`: [{cid, ...}].
-- Locks: nothing while no org is suspended or no job is halted; else the rows of the suspended orgs that are not being removed, in id order
-- (share); contents in cid order; placements.
-- Returns: `jobs`, unchanged.
create or replace function put_by(node uuid, jobs jsonb) returns jsonb language plpgsql as $$
declare
  cids text[];
begin
  if not exists (select from orgs where suspended_at is not null) then return jobs; end if;
  cids := array(select j.cid from jsonb_to_recordset(jobs) as j (cid text) where is_halted(node, j.cid));
  if cids = '{}' then return jobs; end if;
  -- a resume waits for this transaction, and then finds what it set aside; an org that is being removed is never resumed
  perform from orgs o where o.suspended_at is not null and o.removing_at is null order by o.id for share;
  cids := cids || array(
    select d.cid from orgs o cross join (values (false), (true)) as r (again)
    cross join lateral (
      select p.cid from placements p
      where p.node_id = node and p.state = 'queued' and p.retrying = r.again and p.org_id = o.id
        -- an index finds what is before a stable function; clock_timestamp() would be compared with every row
        and p.next_attempt_at <= statement_timestamp()
      order by p.next_attempt_at limit 200) d
    where o.suspended_at is not null);
  perform lock_contents(cids);
  cids := array(select distinct u from unnest(cids) u where is_halted(node, u));
  -- the next fold shows the pins of these contents as queued again
  update contents c set folding = true
  where c.cid = any (cids) and exists (select from placements p where p.cid = c.cid and p.node_id = node and p.state = 'pinning');
  update placements p set state = 'queued', generation = nextval('placement_generation'), next_attempt_at = 'infinity', retrying = true,
    attempts = p.attempts - case p.state when 'pinning' then 1 else 0 end, blocks = 0, bytes = 0
  where p.node_id = node and p.cid = any (cids) and p.state in ('queued', 'pinning');
  return jobs;
end $$;
