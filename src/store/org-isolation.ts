import { AnchorageError } from '../core/errors.ts'
import type { Query } from './query.ts'

/** Every relation of the schema that the tenant role can read or write in any way. */
const reached = `select c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and (has_any_column_privilege(c.oid, 'select, insert, update, references')
      or has_table_privilege(c.oid, 'delete, truncate, trigger'))`

/** An expression as Postgres prints it, with line breaks turned into blanks. */
const shown = (expression: string): string => `regexp_replace(coalesce(${expression}, ''), '\\s+', ' ', 'g')`

/** All policies, and whether each one applies to the tenant role (`ours`). */
const policies = `select p.polrelid as oid, p.polname, p.polpermissive,
    exists (select from unnest(p.polroles) r where r = 0 or pg_has_role(r, 'usage')) as ours,
    ${shown('pg_get_expr(p.polqual, p.polrelid)')} as qual, ${shown('pg_get_expr(p.polwithcheck, p.polrelid)')} as checked
  from pg_policy p`

/**
 * The only condition that a policy of table `t` may have, compared as text. Any other condition that names the org may still let in the
 * rows of all orgs. A policy that says the same in other words is refused too, which is the safe side.
 */
const rule = `case t.relname
    when 'orgs' then '(id = current_org())'
    when 'users' then '(EXISTS ( SELECT FROM memberships m WHERE ((m.user_id = users.id) AND (m.org_id = current_org()))))'
    else '(org_id = current_org())' end`

/** The body that `current_org()` must have. */
const scope = `RETURN (NULLIF(current_setting('anchorage.org_id'::text, true), ''::text))::uuid`

const definers = `select p.oid::regprocedure::text as name, p.proacl, p.proconfig, r.rolname as owner
  from pg_proc p join pg_roles r on r.oid = p.proowner
  where p.pronamespace = 'public'::regnamespace and p.prosecdef`

/** Each query finds the names of the things that break its rule. */
const breaches: [sql: string, refusal: (names: string) => string][] = [
  [
    `select relname as name from (${reached}) t where relkind not in ('r', 'p')`,
    (names) =>
      `requests can reach ${names}, which row-level security cannot guard; as the owner: revoke all on … from anchorage_tenant`,
  ],
  [
    `select relname as name from (${reached}) t where relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity)`,
    (names) =>
      `row-level security is not forced on ${names}; as the owner: alter table … enable row level security, force row level security`,
  ],
  [
    `select relname as name from (${reached}) t where not exists (select from (${policies}) p where p.oid = t.oid and p.ours)`,
    (names) => `no policy lets requests reach ${names}; run: anchorage migrate up`,
  ],
  [
    `select t.relname || '.' || p.polname as name from (${reached}) t join (${policies}) p on p.oid = t.oid
     where p.ours and p.polpermissive and (qual || checked = '' or qual not in ('', ${rule}) or checked not in ('', ${rule}))`,
    (names) => `the policy ${names} does not separate orgs; run: anchorage migrate up`,
  ],
  [
    `select p.oid::regprocedure::text as name from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname = 'current_org'
       and (p.pronargs > 0 or p.prosecdef or ${shown('pg_get_function_sqlbody(p.oid)')} <> $$${scope}$$)`,
    (names) => `${names} does not return the org of a request; run: anchorage migrate up`,
  ],
  [
    `select name from (${definers}) f
     where owner not in ('anchorage_system', 'anchorage_audit') or not exists (
         select from unnest(proconfig) c where c like 'search_path=%') or proacl is null
       or exists (select from aclexplode(proacl) a where a.grantee = 0)`,
    (names) =>
      `${names} runs with more rights than its caller, and its owner, search_path or grants are wrong; run: anchorage migrate up`,
  ],
  [
    `select r as name from unnest(array[current_user::text, 'anchorage_system']) r where has_schema_privilege(r, 'public', 'create')`,
    (names) =>
      `${names} may create things in the schema public; as the owner: revoke create on schema public from ${names}, public`,
  ],
]

/**
 * Refuses (`invalid`, with what to do) a database in which the login of `tenant` could reach another org's rows. The tables and functions
 * to check come from the catalog, so it also checks a table that was added by hand.
 */
export async function assertOrgsKeptApart(tenant: Query): Promise<void> {
  for (const [sql, refusal] of breaches) {
    const rows = await tenant<{ name: string }>(`${sql} order by 1`)
    if (rows.length > 0) throw new AnchorageError('invalid', refusal(rows.map((row) => row.name).join(', ')))
  }
}
