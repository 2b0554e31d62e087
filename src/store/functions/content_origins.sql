-- Reads the multiaddrs that pins of a content offer as origins, org by org, so that no org's origins push out those of another. It takes
-- at most 16 orgs: `asking` first (null: none), then a random choice, so that each of many orgs is among them now and then.
-- It looks at the first 256 orgs that offer origins, and at the newest 100 such pins of each.
-- Locks: nothing.
-- Returns: [{org, origins}], with at most 20 origins an org, each once, those of the newest pin first; [] if there are none.
create or replace function content_origins(content text, asking uuid) returns jsonb language plpgsql as $$
begin
  return (
    with recursive walk (org_id) as (
      (select p.org_id from pins p where p.cid = content and p.origins is not null order by p.org_id limit 1)
      union all
      select (select p.org_id from pins p where p.cid = content and p.origins is not null and p.org_id > w.org_id
              order by p.org_id limit 1)
      from walk w where w.org_id is not null
    ), offered as (
      select w.org_id, o.origins, w.org_id is distinct from asking as is_other
      from ((select org_id from walk limit 256) union select asking) w
      cross join lateral (
        select jsonb_agg(f.origin order by f.place) as origins from (
          select u.origin, min(u.place) as place from (
            select x.origin, row_number() over (order by q.seq desc, x.nr) as place
            from (select p.seq, p.origins from pins p where p.cid = content and p.origins is not null and p.org_id = w.org_id
                  order by p.seq desc limit 100) q
            cross join lateral unnest(q.origins) with ordinality as x (origin, nr)) u
          group by u.origin order by place limit 20) f) o
      where o.origins is not null
      order by is_other, random() limit 16
    )
    select coalesce(jsonb_agg(jsonb_build_object('org', org_id, 'origins', origins) order by is_other), '[]') from offered);
end $$;
