-- Drops old month partitions of the audit log: those before the current month and the `keep_months` before it. It also deletes at most
-- `most` lines of the same age from the default partition. If it removed anything, it writes an audit line about that.
-- It waits at most 500 ms for each lock, since every writer of the log waits behind it. A month that is in use, and all later ones, are
-- left for the next call.
-- Locks: audit_log, the month, audit_log_rest (access exclusive), for each month that it drops; then the lines that it deletes.
-- Returns: one row: the months dropped, as YYYYMM, and the number of lines deleted.
-- Raises: AN004 if `keep_months` is null or less than 3; 55P03 if audit_log_rest or its lines are in use for more than 500 ms.
set local role anchorage_audit;
create or replace function audit_drop(keep_months int, most int, audit_id uuid, by_whom text) returns table (months text[], lines bigint)
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '500ms' as $$
declare
  first_kept timestamptz;
  part text;
begin
  if keep_months is null or keep_months < 3 then
    raise exception 'at least the last 3 months of the audit are kept' using errcode = 'AN004';
  end if;
  first_kept := date_trunc('month', now() at time zone 'utc' - make_interval(months => keep_months)) at time zone 'utc';
  months := '{}';
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'audit_log'::regclass and c.relname ~ '^audit_log_[0-9]{6}$'
      and c.relname::text < 'audit_log_' || to_char(first_kept at time zone 'utc', 'YYYYMM')
    order by c.relname
  loop
    begin
      execute format('drop table %I', part);
      months := months || right(part, 6);
    exception when lock_not_available then exit;
    end;
  end loop;
  with gone as (
    delete from audit_log_rest where ctid = any (array(
      select r.ctid from audit_log_rest r where r.at < first_kept order by r.at limit most))
    returning id)
  select count(*) into lines from gone;
  if cardinality(months) > 0 or lines > 0 then
    insert into audit_log (id, actor, action, target, details) values (audit_id, by_whom, 'audit.drop', 'audit_log',
      jsonb_build_object('before', to_char(first_kept at time zone 'utc', 'YYYY-MM-DD'), 'months', to_jsonb(months), 'lines', lines));
  end if;
  return next;
end $$;
