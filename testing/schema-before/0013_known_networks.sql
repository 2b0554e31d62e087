-- min_code: 1
-- Where people signed in from: strangers cannot keep out who asks from there again.
alter table sessions add column network text;
create index sessions_of_network on sessions (network, created_at);
