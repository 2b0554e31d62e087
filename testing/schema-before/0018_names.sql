-- min_code: 1
-- Names by the parts that stand in them, for orgs that search so. An accept writes nothing of it: it costs a pin a third of its accept, and
-- most orgs never ask. Who searches has the names gone through once, and then those that came since.

create extension if not exists btree_gin;
create extension if not exists pg_trgm;

-- Removed with its pin; nothing else of a pin that may change stands here.
create table pin_names (
  -- the key says nothing of the org: an org's names are to be found by the index below, never gone through by this one
  pin_id uuid primary key,
  org_id uuid not null,
  seq bigint not null,
  -- null: as it is folded
  name text collate "C",
  folded text collate "C" not null
);
-- the extension may stand in another schema than this
do $$
declare
  place regnamespace := (select extnamespace from pg_extension where extname = 'pg_trgm');
begin
  execute format('create index pin_names_by_part on pin_names using gin (org_id, folded %s.gin_trgm_ops)', place);
end $$;

-- Up to which pin an org's names stand in pin_names.
create table name_marks (
  org_id uuid primary key references orgs on delete cascade,
  seq bigint not null,
  created timestamptz not null
);
grant select, insert, delete on pin_names to anchorage_system;
grant select, insert, update, delete on name_marks to anchorage_system;

-- Up to which pin the org's names are noted, and how many pins came since; -infinity and all of them when none is.
create function names_noted() returns table (created timestamptz, behind bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(m.created, '-infinity'), o.last_seq - coalesce(m.seq, 0)
  from orgs o left join name_marks m on m.org_id = o.id where o.id = current_org()
$$;

-- Notes the next `most` names of the org; whether there may be more. An org's pins are committed in the order of created, so that none comes
-- up later among those that were passed. One that is being removed is waited for, and then is none.
create function note_names(most int) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  org uuid := current_org();
  mark timestamptz;
  n int;
begin
  insert into name_marks (org_id, seq, created) values (org, 0, '-infinity') on conflict do nothing;
  select m.created into mark from name_marks m where m.org_id = org for update;
  with next as materialized (
    select p.id, p.seq, p.created, p.name, p.name_folded from pins p where p.org_id = org and p.created > mark
    order by p.created limit most for key share
  ), noted as (
    insert into pin_names (pin_id, org_id, seq, name, folded)
    select x.id, org, x.seq, nullif(x.name, x.name_folded), x.name_folded from next x where x.name is not null
  ), marked as (
    update name_marks m set seq = x.seq, created = x.created from (select max(seq) as seq, max(created) as created from next) x
    where m.org_id = org and x.seq is not null
  )
  select count(*) into n from next;
  return n = most;
end $$;

-- The seqs of those noted pins of the org whose folded name has `folded_part` in it and, unless that is null, whose name has `part`. An org
-- cannot search the table itself: Postgres lets no policy's rows be found by an operator that might tell of others.
create function named_like(folded_part text, part text) returns setof bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select seq from pin_names
  where org_id = current_org() and folded like '%' || regexp_replace(folded_part, '([\\%_])', '\\\1', 'g') || '%'
    and (part is null or strpos(coalesce(name, folded), part) > 0)
$$;

create function forget_name() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  delete from pin_names where pin_id = old.id;
  return null;
end $$;
create trigger forget_name after delete on pins for each row when (old.name is not null) execute function forget_name();

revoke all on function names_noted(), note_names(int), named_like(text, text), forget_name() from public;
grant execute on function names_noted(), note_names(int), named_like(text, text) to anchorage_tenant;
alter function names_noted() owner to anchorage_system;
alter function note_names(int) owner to anchorage_system;
alter function named_like(text, text) owner to anchorage_system;
alter function forget_name() owner to anchorage_system;
