-- min_code: 1
-- An operator stops an org: its requests are refused and its work is put by, until it is resumed or removed with all that it has.

alter table orgs
  add column suspended_at timestamptz,
  -- told to whoever is refused
  add column suspended_reason text,
  add column removing_at timestamptz,
  -- resumed: how far the leader's walk over what was put by came, in cid order; null when none is to be walked
  add column wake_after text collate "C",
  add constraint suspension_whole check (
    (suspended_at is null) = (suspended_reason is null) and (removing_at is null or suspended_at is not null)
    and (wake_after is null or suspended_at is null));
-- empty as a rule: claims look here
create index orgs_suspended on orgs (id) where suspended_at is not null;
create index orgs_removing on orgs (removing_at) where removing_at is not null;
create index orgs_waking on orgs (id) where wake_after is not null;
create index placements_put_by on placements (cid) where next_attempt_at = 'infinity';

-- ---------------------------------------------------------------- work that only suspended orgs wait for

-- Does a replace of an org that is not suspended keep this content? As is_held.
create function is_held_by_working(of_cid text) returns boolean language sql stable set enable_bitmapscan = on as $$
  select exists (
    select from pins p where p.holds @> array[of_cid]
      and exists (select from orgs o where o.id = p.org_id and o.suspended_at is null))
$$;

-- Does an org that is not suspended want this content? Its orgs are walked, since one may have very many pins of it.
create function is_worked_for(of_cid text) returns boolean language plpgsql stable as $$
declare
  asking uuid := '00000000-0000-0000-0000-000000000000';
begin
  loop
    select p.org_id into asking from pins p where p.cid = of_cid and p.org_id > asking order by p.org_id limit 1;
    exit when asking is null;
    if exists (select from orgs o where o.id = asking and o.suspended_at is null)
      and exists (select from pins p where p.cid = of_cid and p.org_id = asking and p.error_code is null)
    then return true; end if;
  end loop;
  return is_held_by_working(of_cid);
end $$;

-- Is this placement work that only suspended orgs wait for? What came once is kept, and so repaired, whoever wants it.
create function is_halted(node uuid, of_cid text) returns boolean language sql stable as $$
  select exists (select from placements p where p.cid = of_cid and p.node_id = node and p.state in ('queued', 'pinning'))
    and exists (select from contents c where c.cid = of_cid and c.dag_size is null)
    and not exists (select from placements p where p.cid = of_cid and p.state = 'pinned')
    and not is_worked_for(of_cid)
$$;

-- Puts by those of a node's jobs that only suspended orgs wait for, and more of such orgs that are due: they are not due again before
-- somebody else asks for them or an org is resumed. An attempt under way finds another generation, and stops. Returns the jobs as they are.
create function put_by(node uuid, jobs jsonb) returns jsonb language plpgsql as $$
declare
  cids text[];
begin
  if not exists (select from orgs where suspended_at is not null) then return jobs; end if;
  cids := array(select j.cid from jsonb_to_recordset(jobs) as j (cid text) where is_halted(node, j.cid));
  if cids = '{}' then return jobs; end if;
  -- whoever resumes an org waits for this, and then finds what it put by; one that is being removed nobody resumes
  perform from orgs o where o.suspended_at is not null and o.removing_at is null order by o.id for share;
  cids := cids || array(
    select d.cid from orgs o cross join (values (false), (true)) as r (again)
    cross join lateral (
      select p.cid from placements p
      where p.node_id = node and p.state = 'queued' and p.retrying = r.again and p.org_id = o.id and p.next_attempt_at <= clock_timestamp()
      order by p.next_attempt_at limit 200) d
    where o.suspended_at is not null);
  perform lock_contents(cids);
  cids := array(select distinct u from unnest(cids) u where is_halted(node, u));
  -- its pins read queued again, by the next fold
  update contents c set folding = true
  where c.cid = any (cids) and exists (select from placements p where p.cid = c.cid and p.node_id = node and p.state = 'pinning');
  update placements p set state = 'queued', generation = nextval('placement_generation'), next_attempt_at = 'infinity', retrying = true,
    attempts = p.attempts - case p.state when 'pinning' then 1 else 0 end, blocks = 0, bytes = 0
  where p.node_id = node and p.cid = any (cids) and p.state in ('queued', 'pinning');
  return jobs;
end $$;

-- One step of the walk of an org that was resumed: of what was put by, that which is worked for again is due now. Answers {walked, jobs}.
create function wake_put_by(of_leader bigint, most int) returns jsonb language plpgsql as $$
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
    update placements p set generation = nextval('placement_generation'), next_attempt_at = clock_timestamp(), retrying = false, crashes = 0,
      attempts_before = p.attempts, wanted_since = clock_timestamp()
    where p.cid = any (cids) and p.next_attempt_at = 'infinity' and p.state = 'queued' and is_worked_for(p.cid)
    returning p.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('cid', w.cid, 'node_id', w.node_id, 'generation', w.generation, 'attempt', 1,
    'org_id', w.org_id)), '[]') into jobs from woken w;
  update orgs o set wake_after = case when cardinality(cids) = most then cids[most] end where o.id = walk.id;
  return jsonb_build_object('walked', greatest(cardinality(cids), 1), 'jobs', jobs);
end $$;

-- ---------------------------------------------------------------- removal

-- One step of removing the org that was asked for first: some of its pins, as their deletes would; when none is left, some of its tokens, and
-- at last the org. Its audit stays. Answers {org, pins, jobs, removed}; null when no org is to be removed.
create function remove_org(of_leader bigint, most int, grace_ms bigint, audit_id uuid) returns jsonb language plpgsql as $$
declare
  org record;
  ids uuid[];
  gone text[];
  was text[];
  seqs bigint[];
  metas jsonb[];
  lost bigint;
  jobs jsonb;
  step jsonb;
begin
  perform assert_leading(of_leader);
  select o.id, o.slug into org from orgs o where o.removing_at is not null order by o.removing_at, o.id limit 1 for update;
  if not found then return null; end if;
  step := jsonb_build_object('org', org.id, 'pins', 0, 'jobs', '[]'::jsonb, 'removed', false);

  ids := array(select p.id from pins p where p.org_id = org.id order by p.id limit most);
  if ids <> '{}' then
    gone := array(select distinct u from pins p, unnest(array_append(coalesce(p.holds, '{}'), p.cid)) u where p.org_id = org.id and p.id = any (ids));
    perform lock_contents(gone);
    with went as (delete from pins p where p.org_id = org.id and p.id = any (ids) returning p.status, p.seq, p.meta, p.counted_bytes)
    select array_agg(w.status), array_agg(w.seq), array_agg(w.meta), sum(w.counted_bytes) into was, seqs, metas, lost from went w;
    perform forget_meta(org.id, m.meta, m.seq) from unnest(metas, seqs) as m (meta, seq) where m.meta is not null;
    if lost <> 0 then perform count_bytes(array[org.id], array[lost], array[0::bigint]); end if;
    perform count_pins(array_fill(org.id, array[cardinality(was)]), was, array(select s >> 10 from unnest(seqs) with ordinality as u (s, place) order by place),
      array_fill(-1::bigint, array[cardinality(was)]));
    select coalesce(jsonb_agg(jsonb_build_object('cid', r.cid, 'node_id', r.node_id, 'generation', r.generation, 'attempt', 1, 'org_id', null)), '[]')
    into jobs from release_contents(gone, grace_ms) r;
    return step || jsonb_build_object('pins', cardinality(ids), 'jobs', jobs);
  end if;

  delete from api_tokens where id = any (array(select t.id from api_tokens t where t.org_id = org.id limit 10 * most));
  if found then return step; end if;
  delete from memberships where org_id = org.id;
  delete from org_usage where org_id = org.id;
  delete from pin_counts where org_id = org.id;
  delete from orgs where id = org.id;
  insert into audit_log (id, org_id, actor, action, target) values (audit_id, org.id, 'remove-orgs', 'org.removed', org.slug);
  return step || '{"removed": true}';
end $$;

do $$
declare
  f text;
begin
  foreach f in array array['is_held_by_working(text)', 'is_worked_for(text)', 'is_halted(uuid, text)', 'put_by(uuid, jsonb)',
      'wake_put_by(bigint, int)', 'remove_org(bigint, int, bigint, uuid)'] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
end $$;
