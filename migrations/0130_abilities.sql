-- min_code: 22
-- Whether a node works. One that is silent, or that does not reach its Kubo or Postgres, gets no new content, and after a grace its copies
-- count as lost. The node writes this with each sign of life; the leader writes it for a node that cannot write.

alter table nodes
  -- Since when the node does not work; null while it works. A process that starts again goes on with it until its Kubo answers.
  add column unable_since timestamptz,
  -- What it does not reach: its `kubo`, or `postgres`. Or the node is `silent`.
  add column unable_what text check (unable_what in ('kubo', 'postgres', 'silent')),
  add column unable_reason text,
  add constraint unable_whole check (
    (unable_since is null) = (unable_what is null) and (unable_since is null) = (unable_reason is null));
