-- Takes one step in the removal of the org whose removal was asked for first. A step deletes at most `most` pins, as remove_pin does. When
-- no pin is left, a step deletes at most 10 * `most` tokens, and the last one deletes the org. Its audit log stays.
-- Locks: the cluster's row (share); the org's row; contents in cid order; pins; pin_meta; org_usage; pin_counts in key order;
-- reserved_bytes; org_usage; placements. A step without pins locks api_tokens, and the last one memberships, org_usage, pin_counts, orgs
-- and name_marks.
-- Returns: {org, pins, jobs, removed}; null when no org is to be removed. `pins` is how many pins the step deleted, `jobs` are the
-- placements to be unpinned now: [{cid, node_id, generation, attempt, org_id}], `removed` says that the org is gone.
-- Raises: AN002 and AN003 (assert_leading).
create or replace function remove_org(of_leader text, most int, grace_ms bigint, audit_id uuid) returns jsonb language plpgsql as $$
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
    gone := array(select distinct u from pins p, unnest(array_append(coalesce(p.holds, '{}'), p.cid)) u
                  where p.org_id = org.id and p.id = any (ids));
    perform lock_contents(gone);
    with went as (delete from pins p where p.org_id = org.id and p.id = any (ids) returning p.status, p.seq, p.meta, p.counted_bytes)
    select array_agg(w.status), array_agg(w.seq), array_agg(w.meta), sum(w.counted_bytes) into was, seqs, metas, lost from went w;
    perform forget_meta(org.id, m.meta, m.seq) from unnest(metas, seqs) as m (meta, seq) where m.meta is not null;
    if lost <> 0 then perform count_bytes(array[org.id], array[lost], array[0::bigint]); end if;
    perform count_pins(array_fill(org.id, array[cardinality(was)]), was,
      array(select s >> 10 from unnest(seqs) with ordinality as u (s, place) order by place),
      array_fill(-1::bigint, array[cardinality(was)]));
    select coalesce(jsonb_agg(jsonb_build_object('cid', r.cid, 'node_id', r.node_id, 'generation', r.generation, 'attempt', 1,
      'org_id', null)), '[]')
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
