import type { Query } from './query.ts'

/** One thing that is, or must be, true of a schema. */
export interface Fact {
  /** The object that it is about: `table pins`, `function current_org()`. */
  of: string
  /** The fact in words. Two facts are the same if their words are. */
  fact: string
  /** The statement that makes it true; null when no such statement may run while nodes work. */
  mend: string | null
  /** The statement that ends it where it must not be true; null when it does no harm. */
  undo: string | null
  /** The order of mending, lowest first: a function before its grants, and owners last, since a change of owner changes the grants. */
  rank: number
}

/** Our roles, and `public`, which means every role. The rights of other roles are not compared. */
const ours = `select oid, rolname::text as name, quote_ident(rolname) as ident from pg_roles
    where rolname in ('anchorage_tenant', 'anchorage_system', 'anchorage_audit') union all select 0, 'public', 'public'`

/** The month partitions of the audit log; they come and go. */
const month = `relname ~ '^audit_log_[0-9]{6}$'`

const relations = `select c.oid, c.relname::text as name, quote_ident(c.relname) as ident, c.relowner as owner, c.relacl as acl,
    case c.relkind when 'S' then 'sequence' else 'table' end as kind, c.relrowsecurity and c.relforcerowsecurity as forced
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'S') and not ${month}`

/** Without the functions of extensions. */
const functions = `select p.oid, p.oid::regprocedure::text as name, p.proowner as owner, coalesce(p.proacl, acldefault('f', p.proowner)) as acl
  from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
    and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')`

/** Each selects `of, fact, mend, undo, rank`. */
const kinds: string[] = [
  `select 'function ' || name, 'function ' || name || ' is ' || md5(pg_get_functiondef(oid)), pg_get_functiondef(oid), null, 1 from fun`,
  `select 'table ' || r.name, 'trigger ' || t.tgname || ' is enabled (' || t.tgenabled::text || '): ' || pg_get_triggerdef(t.oid),
     format('drop trigger if exists %I on %s; ', t.tgname, r.ident) || pg_get_triggerdef(t.oid), null, 2
   from rel r join pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal`,
  `select 'table ' || name, 'row-level security is forced on ' || name,
     format('alter table %s enable row level security, force row level security', ident), null, 2 from rel where forced`,
  `select 'table ' || tablename, policy, format('drop policy if exists %I on %I; create ', policyname, tablename) || policy,
     format('drop policy if exists %I on %I', policyname, tablename), 2
   from pg_policies, lateral (select format('policy %I on %I as %s for %s to %s', policyname, tablename, permissive, cmd,
       (select string_agg(case r when 'public' then 'public' else quote_ident(r) end, ', ' order by r) from unnest(roles) r))
     || coalesce(' using (' || qual || ')', '') || coalesce(' with check (' || with_check || ')', '') as policy) p
   where schemaname = 'public'`,
  grants(
    'rel',
    `r.kind || ' ' || r.name`,
    `case r.kind when 'sequence' then 'sequence ' else '' end || r.ident`,
  ),
  grants('fun', `'function ' || r.name`, `'function ' || r.name`),
  `select 'table ' || r.name, format('%s may %s (%s) on %s', o.name, lower(a.privilege_type), c.attname, r.name),
     format('grant %s (%I) on %s to %s', a.privilege_type, c.attname, r.ident, o.ident),
     format('revoke %s (%I) on %s from %s', a.privilege_type, c.attname, r.ident, o.ident), 3
   from rel r join pg_attribute c on c.attrelid = r.oid and not c.attisdropped
   cross join lateral aclexplode(c.attacl) a join ours o on o.oid = a.grantee`,
  `select 'schema', format('%s may use the schema public', name), format('grant usage on schema public to %s', ident), null, 3
   from ours where oid <> 0 and has_schema_privilege(oid, 'public', 'usage')`,
  `select r.kind || ' ' || r.name, format('%s %s belongs to %s', r.kind, r.name, o.name),
     format('alter %s %s owner to %s', r.kind, r.ident, o.ident), null, 4 from rel r join ours o on o.oid = r.owner`,
  `select 'function ' || r.name, format('function %s belongs to %s', r.name, o.name),
     format('alter function %s owner to %s', r.name, o.ident), null, 4 from fun r join ours o on o.oid = r.owner`,
  // a month partition is listed only when its owner is wrong
  `select 'table ' || relname, format('table %s belongs to %s', relname, relowner::regrole), null,
     format('alter table %I owner to anchorage_audit', relname), 4
   from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and ${month}
     and relowner::regrole::text <> 'anchorage_audit'`,
  `select 'table ' || r.name, format('%s.%s is %s%s%s', r.name, a.attname, format_type(a.atttypid, a.atttypmod),
     case when a.attnotnull then ' not null' else '' end, coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')), null, null, 0
   from rel r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
   left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where r.kind = 'table'`,
  // without the schema of an operator class, since an extension may be in any schema
  `select 'table ' || r.name, regexp_replace(pg_get_indexdef(i.indexrelid), '\\w+\\.(\\w+_ops)', '\\1'), null, null, 0
   from rel r join pg_index i on i.indrelid = r.oid where i.indisvalid`,
  `select 'table ' || r.name, format('%s has the constraint %s %s', r.name, c.conname, pg_get_constraintdef(c.oid)), null, null, 0
   from rel r join pg_constraint c on c.conrelid = r.oid where c.contype in ('c', 'f', 'p', 'u')`,
]

/** The grants of our roles on each row of `source`, except on what a role owns. */
function grants(source: string, of: string, on: string): string {
  return `select ${of}, format('%s may %s on %s', o.name, lower(a.privilege_type), r.name),
     format('grant %s on %s to %s', a.privilege_type, ${on}, o.ident),
     format('revoke %s on %s from %s', a.privilege_type, ${on}, o.ident), 3
   from ${source} r cross join lateral aclexplode(r.acl) a join ours o on o.oid = a.grantee where a.grantee <> r.owner`
}

/** All facts about the schema public, as its owner sees it: the objects in it, their grants and their owners. */
export async function schemaFacts(query: Query): Promise<Fact[]> {
  return query<Fact>(
    `with ours as (${ours}), rel as (${relations}), fun as (${functions}), facts (of, fact, mend, undo, rank) as (
       ${kinds.join('\n union all ')})
     select * from facts order by rank, of, fact`,
  )
}
