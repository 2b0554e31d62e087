-- Makes the partitions of the audit log for the current month and the next two (UTC). If lines of a month are in the default partition
-- already, they stay there, and the month gets no partition.
-- Locks: for each missing month audit_log and audit_log_rest (access exclusive); otherwise nothing.
set local role anchorage_audit;
create or replace function audit_extend() returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  month timestamptz;
begin
  for i in 0..2 loop
    month := date_trunc('month', now() at time zone 'utc') at time zone 'utc' + make_interval(months => i);
    begin
      execute format('create table if not exists %I partition of audit_log for values from (%L) to (%L)',
        'audit_log_' || to_char(month at time zone 'utc', 'YYYYMM'), month, month + interval '1 month');
    exception when check_violation then null;
    end;
  end loop;
end $$;
