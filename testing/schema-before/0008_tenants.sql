-- min_code: 1
-- People, what they are in which org, and their logins; what an org may have, and what it has.

alter table orgs
  -- the most replicas that one of its pins may ask for
  add column max_replicas smallint check (max_replicas between 1 and 100);

-- What the pins of an org add up to, in bytes. A row of its own, since work that ends changes it without the org's row. Locked after pins
-- and before pin_counts, in the order of orgs.
create table org_usage (
  org_id uuid primary key,
  bytes bigint not null
) with (fillfactor = 50);

alter table pins
  -- what it adds to its org's bytes: its DAG's size, once that is known and it was not refused
  add column counted_bytes bigint not null default 0;
create index orgs_with_max_bytes on orgs (id) where max_bytes is not null;

-- Adds to what orgs have in bytes, by what pins counted and count now; answers with what those have whose sum changed. Locks in the order
-- of orgs.
create function count_bytes(orgs uuid[], was bigint[], becomes bigint[]) returns table (org_id uuid, total bigint) language sql as $$
  insert into org_usage as u (org_id, bytes)
  select d.org_id, sum(d.becomes - d.was)::bigint from unnest(orgs, was, becomes) as d (org_id, was, becomes)
  group by 1 having sum(d.becomes - d.was) <> 0 order by 1
  on conflict (org_id) do update set bytes = u.bytes + excluded.bytes
  returning u.org_id, u.bytes
$$;

-- Sizes of contents, as far as known, for an org with a limit: {cid: bytes}.
create function known_sizes(cids text[]) returns jsonb language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(jsonb_object_agg(c.cid, c.dag_size), '{}') from contents c
  where c.cid = any (cids) and c.dag_size is not null and current_org() is not null
$$;

-- What of these items an org with limits may not have: {id: {limit, may, has}}. Each that it may have counts for those after it. A replace
-- takes the place of the old pin: it is refused only where it adds bytes. The org's row is locked; work that ends meanwhile may add
-- bytes all the same, so the sum is looked at again when it is written.
create function beyond_limits(items jsonb, usual int, max_pins bigint, max_bytes bigint, max_replicas int, replaces uuid)
returns jsonb language plpgsql as $$
declare
  org uuid := current_org();
  old record;
  pins bigint;
  bytes bigint;
  sizes jsonb := '{}';
  size bigint;
  i record;
  why jsonb;
  refused jsonb := '{}';
begin
  if max_pins is not null then
    select coalesce(sum(n.n), 0) into pins from unnest(array['queued', 'pinning', 'pinned', 'failed']) s
    cross join lateral (select sum(c.n) as n from pin_counts c where c.org_id = org and c.status = s and c.level = 1) n;
  end if;
  if max_bytes is not null then
    bytes := coalesce((select u.bytes from org_usage u where u.org_id = org), 0);
    sizes := known_sizes(array(select x.cid from jsonb_to_recordset(items) as x (cid text)));
  end if;
  -- most often all of them fit
  if replaces is null and (max_pins is null or pins + jsonb_array_length(items) <= max_pins) and (
    select (max_replicas is null or coalesce(max(x.replicas), 0) <= max_replicas)
      and (max_bytes is null or bytes + coalesce(sum((sizes ->> x.cid)::bigint), 0) < max_bytes)
    from jsonb_to_recordset(items) as x (cid text, replicas int))
  then return refused; end if;
  select p.cid, p.counted_bytes as bytes into old from pins p where p.org_id = org and p.id = replaces;
  for i in select x.* from jsonb_to_recordset(items) as x (id uuid, cid text, replicas int) loop
    size := (sizes ->> i.cid)::bigint;
    why := case
      when i.replicas > max_replicas then jsonb_build_object('limit', 'replicas', 'may', max_replicas, 'has', i.replicas)
      when replaces is null and pins >= max_pins then jsonb_build_object('limit', 'pins', 'may', max_pins, 'has', pins)
      when case
        when size > coalesce(old.bytes, 0) then bytes - coalesce(old.bytes, 0) + size > max_bytes
        when size is null then bytes - coalesce(old.bytes, 0) >= max_bytes and i.cid is distinct from old.cid
        else bytes >= max_bytes and replaces is null end
      then jsonb_build_object('limit', 'bytes', 'may', max_bytes, 'has', bytes)
    end;
    if why is null then
      pins := pins + 1;
      bytes := bytes + coalesce(size, 0);
    else
      refused := refused || jsonb_build_object(i.id, why);
    end if;
  end loop;
  return refused;
end $$;

-- Counts what pins add now, and answers with those that their org may not have: these count nothing. What an org had it keeps, so only what
-- counted nothing yet is refused; the oldest that fits has room first. One entry a pin.
create function weigh_pins(tids tid[], orgs uuid[], seqs bigint[], was bigint[], becomes bigint[]) returns tid[] language plpgsql as $$
declare
  ids uuid[];
  totals bigint[];
  over record;
  pin record;
  running bigint;
  gone bigint;
  refused tid[] := '{}';
begin
  select array_agg(c.org_id), array_agg(c.total) into ids, totals from count_bytes(orgs, was, becomes) c;
  for over in
    select u.id, u.total, o.max_bytes from unnest(ids, totals) as u (id, total)
    cross join lateral (select x.max_bytes from orgs x where x.id = u.id) o where u.total > o.max_bytes order by u.id
  loop
    gone := 0;
    running := over.total - (select coalesce(sum(d.becomes), 0) from unnest(orgs, was, becomes) as d (org, was, becomes)
                             where d.org = over.id and d.was = 0);
    for pin in select d.tid, d.becomes as size from unnest(tids, orgs, seqs, was, becomes) as d (tid, org, seq, was, becomes)
               where d.org = over.id and d.was = 0 and d.becomes > 0 order by d.seq loop
      if running + pin.size <= over.max_bytes then
        running := running + pin.size;
      else
        refused := refused || pin.tid;
        gone := gone + pin.size;
      end if;
    end loop;
    if gone > 0 then perform count_bytes(array[over.id], array[gone], array[0::bigint]); end if;
  end loop;
  return refused;
end $$;

-- Work under way that brought more of a content already than the org of one of its pins may have: those pins are refused now, and not
-- only when all of it is there.
create function refuse_outgrown(cids text[]) returns void language plpgsql as $$
declare
  tids tid[];
  orgs uuid[];
  was text[];
  buckets bigint[];
begin
  if not exists (select from orgs where max_bytes is not null) then return; end if;
  cids := array(select distinct o.cid from outgrown_pins(cids) o);
  if cids = '{}' then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  perform from unnest(cids) as u (cid) cross join lateral (select from pins q where q.cid = u.cid order by q.org_id, q.seq for update) l;
  select array_agg(o.tid), array_agg(o.org_id), array_agg(o.status), array_agg(o.seq >> 10) into tids, orgs, was, buckets
  from outgrown_pins(cids) o;
  if tids is null then return; end if;
  update pins p set status = 'failed', error_code = 'too_big' where p.ctid = any (tids);
  perform count_pins(orgs || orgs, was || array_fill('failed'::text, array[cardinality(orgs)]), buckets || buckets,
    array_fill(-1::bigint, array[cardinality(orgs)]) || array_fill(1::bigint, array[cardinality(orgs)]));
  perform release_contents(cids, 0);
end $$;

create function outgrown_pins(cids text[]) returns table (tid tid, org_id uuid, status text, seq bigint, cid text)
language sql stable as $$
  select q.ctid, q.org_id, q.status, q.seq, q.cid from unnest(cids) as u (cid)
  cross join lateral (select max(p.bytes) as bytes from placements p where p.cid = u.cid) b
  cross join lateral (select from contents c where c.cid = u.cid and c.dag_size is null offset 0) c
  cross join lateral (
    select x.ctid, x.* from pins x
    where x.cid = u.cid and x.error_code is null and exists (
      select from orgs o where o.id = x.org_id and o.max_bytes is not null
        and b.bytes > o.max_bytes - coalesce((select g.bytes from org_usage g where g.org_id = o.id), 0)) offset 0) q
$$;

-- ---------------------------------------------------------------- people

create table users (
  id uuid primary key,
  issuer text collate "C" not null,
  subject text collate "C" not null,
  name text,
  email text,
  -- as the last login said
  operator boolean not null default false,
  created_at timestamptz not null default clock_timestamp(),
  unique (issuer, subject)
);

create table memberships (
  org_id uuid not null references orgs,
  user_id uuid not null references users,
  role text not null check (role in ('viewer', 'member', 'admin', 'owner')),
  -- login: by a group of the identity provider, worked out anew at each login
  source text not null check (source in ('login', 'manual')),
  since timestamptz not null default clock_timestamp(),
  primary key (org_id, user_id)
);
create index memberships_of_user on memberships (user_id);

create table sessions (
  id uuid primary key,
  -- SHA-256 of what the cookie says
  hash bytea not null unique,
  user_id uuid not null references users,
  -- the identity provider's own id of it
  provider_sid text,
  -- for the provider's logout page; gone once the session ended
  id_token text,
  user_agent text,
  address text,
  created_at timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz
) with (fillfactor = 70);
create index sessions_of_user on sessions (user_id, created_at);
create index sessions_by_provider on sessions (provider_sid) where provider_sid is not null;
create index sessions_over on sessions (coalesce(ended_at, expires_at));

-- Logout tokens of identity providers, each taken once: SHA-256 of its jti.
create table logout_tokens (
  issuer text collate "C" not null,
  jti bytea not null,
  until timestamptz not null,
  primary key (issuer, jti)
);
create index logout_tokens_over on logout_tokens (until);

-- The person or the token that made it; neither: an operator, by command.
alter table api_tokens
  add column made_by_user uuid references users,
  add column made_by_token uuid,
  add constraint api_tokens_one_maker check (made_by_user is null or made_by_token is null);
create index api_tokens_made_by_user on api_tokens (made_by_user) where made_by_user is not null;
create index api_tokens_made_by_token on api_tokens (made_by_token) where made_by_token is not null;
-- whether a key still has living tokens; which tokens have been over for long
create index api_tokens_of_key on api_tokens (key_id, expires_at);
create index api_tokens_over on api_tokens (expires_at);

-- Ends tokens, and those that they made, and so on; answers with those that this ended. A row is locked before what it made is looked for,
-- and who makes a token holds its maker's row to the commit: none is overlooked.
create function revoke_tokens(ids uuid[]) returns table (id uuid, org_id uuid) language plpgsql as $$
#variable_conflict use_column
begin
  while ids <> '{}' loop
    perform from api_tokens t where t.id = any (ids) order by t.id for update;
    insert into token_denylist (jti, until) select t.id, t.expires_at from api_tokens t where t.id = any (ids)
    on conflict (jti) do nothing;
    return query update api_tokens t set revoked_at = clock_timestamp()
      where t.id = any (ids) and t.revoked_at is null returning t.id, t.org_id;
    ids := array(select t.id from api_tokens t where t.made_by_token = any (ids) and t.revoked_at is null);
  end loop;
end $$;

-- The same for an org, of its own tokens; with the version for those who remember tokens.
create function revoke_own_tokens(ids uuid[]) returns table (revoked uuid[], version bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  gone uuid[];
begin
  gone := array(select r.id from revoke_tokens(array(
    select t.id from api_tokens t where t.id = any (ids) and t.org_id = current_org())) r);
  return query select gone, c.version from cache_versions c where c.cache = 'tokens';
end $$;

-- ---------------------------------------------------------------- row-level security

do $$
declare
  t text;
begin
  foreach t in array array['org_usage', 'users', 'memberships'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy system_all on %I to anchorage_system using (true) with check (true)', t);
  end loop;
end $$;
create policy own_rows on org_usage to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());
create policy own_rows on memberships to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());
create policy own_members on users for select to anchorage_tenant
  using (exists (select from memberships m where m.user_id = users.id and m.org_id = current_org()));
create policy own_tokens on api_tokens for select to anchorage_tenant using (org_id = current_org());

grant select, insert, update on org_usage to anchorage_tenant;
grant select, insert, update, delete on memberships to anchorage_tenant;
grant select (id, name, email) on users to anchorage_tenant;
grant select on api_tokens to anchorage_tenant;
grant select, insert, update, delete on org_usage, users, memberships, sessions, logout_tokens to anchorage_system;

do $$
declare
  f regprocedure;
begin
  foreach f in array array['count_bytes(uuid[], bigint[], bigint[])', 'known_sizes(text[])',
      'beyond_limits(jsonb, int, bigint, bigint, int, uuid)', 'weigh_pins(tid[], uuid[], bigint[], bigint[], bigint[])',
      'refuse_outgrown(text[])', 'outgrown_pins(text[])', 'revoke_tokens(uuid[])', 'revoke_own_tokens(uuid[])']::regprocedure[] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
  foreach f in array array['count_bytes(uuid[], bigint[], bigint[])', 'known_sizes(text[])',
      'beyond_limits(jsonb, int, bigint, bigint, int, uuid)', 'revoke_own_tokens(uuid[])']::regprocedure[] loop
    execute format('grant execute on function %s to anchorage_tenant', f);
  end loop;
  foreach f in array array['known_sizes(text[])', 'revoke_own_tokens(uuid[])']::regprocedure[] loop
    execute format('alter function %s owner to anchorage_system', f);
  end loop;
end $$;
