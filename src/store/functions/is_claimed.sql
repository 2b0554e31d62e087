-- Tells whether a claim that lasts until `ends` holds now. The longest claim is half a minute: one that would last for more than a minute
-- was made while the clock of the database was ahead, and is over.
-- Locks: nothing.
create or replace function is_claimed(ends timestamptz) returns boolean language sql as $$
  select coalesce(ends between clock_timestamp() and clock_timestamp() + interval '1 minute', false)
$$;
