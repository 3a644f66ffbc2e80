-- Gives credits to an account or takes them, once per id. The account's row is locked first: what is read after that
-- stays as it is until the commit, so the checks hold for what is written. Statuses: TransferStatus.
CREATE FUNCTION move(
    kind smallint, account_id bigint, transfer_id uuid, amount bigint, hash bytea, reason text, utc_day date,
    used_key bigint, key_limit bigint, key_daily_limit bigint, key_monthly_limit bigint,
    OUT status smallint, OUT tokens bigint, OUT balance bigint, OUT held bigint, OUT revision bigint)
LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
#variable_conflict use_column
DECLARE
    change bigint := CASE WHEN kind = 4 THEN amount ELSE -amount END;
    account accounts;
    written transfers;
    spending key_spending;
    spent_on date;
    reached int := 0;
BEGIN
    SELECT * INTO account FROM accounts WHERE id = account_id FOR NO KEY UPDATE;
    SELECT * INTO written FROM transfers t WHERE t.account = account_id AND id = transfer_id;
    IF change < 0 THEN
        SELECT * INTO spending FROM key_spending s WHERE s.account = account_id AND key_id = used_key;
        -- One that is behind comes from a slow clock, and counts for the day that others have begun.
        spent_on := greatest(utc_day, spending.day, account.month);
        reached := limit_reached(
            account, spending, amount, spent_on, key_limit, key_daily_limit, key_monthly_limit);
    END IF;
    status := CASE
        WHEN written.request_hash <> hash THEN 1 -- exists with different content
        WHEN written.id IS NOT NULL THEN 2 -- exists
        WHEN account.id IS NULL THEN 3 -- unknown account
        WHEN account.closed_at IS NOT NULL THEN 4 -- account closed
        WHEN reached = 1 THEN 5 -- key limit reached
        WHEN reached = 2 THEN 6 -- budget reached
        WHEN change < 0 AND account.balance < amount THEN 7 -- insufficient tokens
        WHEN change < 0 AND account.balance - account.held < amount THEN 8 -- tokens held
        WHEN change > 0 AND account.balance > (1::bigint << 53) - 1 - amount THEN 9 -- balance too large
        ELSE 10 END; -- created

    IF status = 10 THEN
        UPDATE accounts SET balance = balance + change, version = version + 1, revision = revision + 1,
            month = coalesce(month_of(spent_on), month),
            this_month = CASE WHEN spent_on IS NULL THEN this_month
                ELSE CASE WHEN month = month_of(spent_on) THEN this_month ELSE 0 END + amount END
        WHERE id = account_id RETURNING * INTO account;
        INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after, reason,
            key_id, day)
        VALUES (account_id, transfer_id, account.version, change, kind, hash, account.balance, account.held, reason,
            used_key, spent_on);
        IF used_key IS NOT NULL THEN
            PERFORM spend_with_key(
                account_id, used_key, amount, spent_on, key_limit, key_daily_limit, key_monthly_limit);
        END IF;
        IF change < 0 AND (used_key IS NOT NULL OR account.monthly_budget IS NOT NULL) THEN
            PERFORM note_limits(account_id, used_key);
        END IF;
    END IF;

    tokens := coalesce(written.balance_after - written.held_after, account.balance - account.held);
    balance := account.balance;
    held := account.held;
    revision := account.revision;
END $$;
