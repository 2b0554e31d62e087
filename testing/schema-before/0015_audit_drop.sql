-- min_code: 1
-- Whole old months of the audit go in one way only: by this function of the role that owns the log, which writes down that they went.
set role anchorage_audit;
create policy own_drops on audit_log for insert to anchorage_audit with check (org_id is null and action = 'audit.drop');
reset role;

-- Drops the months before the present one and the `keep_months` before it, and at most `most` lines as old that came to lie outside of
-- their months. What somebody uses just now is left for the next time: whoever writes to the log is not made to wait for more than a moment.
create function audit_drop(keep_months integer, most integer, audit_id uuid, by_whom text)
returns table (months text[], lines bigint) language plpgsql security definer
set search_path = public, pg_temp set lock_timeout = '500ms' as $$
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
revoke all on function audit_drop(integer, integer, uuid, text) from public;
grant execute on function audit_drop(integer, integer, uuid, text) to anchorage_system;
alter function audit_drop(integer, integer, uuid, text) owner to anchorage_audit;
