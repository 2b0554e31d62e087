-- min_code: 1
-- An org may have so many living tokens: they are counted when one is made.
create index api_tokens_living on api_tokens (org_id, expires_at) where revoked_at is null;
