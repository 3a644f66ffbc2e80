CREATE FUNCTION month_of(day date) RETURNS date LANGUAGE sql IMMUTABLE AS
    $$ SELECT date_trunc('month', day::timestamp)::date $$;

-- Writes an event for each limit of the account and the key of which 50, 80 or 100 % are spent: one in each period.
-- What is held is not spent yet.
CREATE FUNCTION note_limits(account_id bigint, used_key bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    near record;
    spent bigint;
BEGIN
    FOR near IN
        SELECT * FROM (
            SELECT 'month' AS kind, 0::bigint AS key_id, month AS period, monthly_budget AS most, this_month AS used
            FROM accounts WHERE id = account_id
            UNION ALL
            SELECT l.* FROM key_spending k, LATERAL (VALUES
                ('key_total', k.key_id, date 'epoch', k.total_limit, k.total),
                ('key_month', k.key_id, month_of(k.day), k.monthly_limit, k.this_month),
                ('key_day', k.key_id, k.day, k.daily_limit, k.today)) l
            WHERE k.account = account_id AND k.key_id = used_key) limits
        WHERE most > 0 AND used * 2 >= most
    LOOP
        -- Once the highest is written there is nothing to add up.
        CONTINUE WHEN EXISTS (
            SELECT FROM limit_events e
            WHERE (e.account, e.kind, e.key_id, e.period) = (account_id, near.kind, near.key_id, near.period)
                AND e.threshold = CASE
                    WHEN near.used >= near.most THEN 100 WHEN near.used * 5 >= near.most * 4 THEN 80 ELSE 50 END);
        SELECT near.used - coalesce(sum(h.amount), 0) INTO spent FROM holds h
        WHERE h.account_id = note_limits.account_id AND h.day >= near.period
            AND (near.key_id = 0 OR h.key_id = near.key_id);
        INSERT INTO limit_events (account, kind, key_id, period, threshold, most, spent)
        SELECT account_id, near.kind, near.key_id, near.period, threshold, near.most, spent
        FROM unnest(ARRAY[50, 80, 100]) AS threshold WHERE spent * 100 >= near.most * threshold
        ON CONFLICT DO NOTHING;
    END LOOP;
END $$;
