-- Gives credits to an account or takes them, once per id. The account's row is locked first: what is read after that
-- stays as it is until the commit, so the checks hold for what is written. Statuses: TransferStatus.
CREATE FUNCTION move(
    kind smallint, account_id bigint, transfer_id uuid, amount bigint, hash bytea, reason text,
    used_key bigint, key_limit bigint, key_daily_limit bigint, used_day date,
    OUT status smallint, OUT tokens bigint, OUT balance bigint, OUT held bigint, OUT revision bigint)
LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
#variable_conflict use_column
DECLARE
    change bigint := CASE WHEN kind = 4 THEN amount ELSE -amount END;
    account accounts;
    written transfers;
    spending key_spending;
BEGIN
    SELECT * INTO account FROM accounts WHERE id = account_id FOR NO KEY UPDATE;
    SELECT * INTO written FROM transfers t WHERE t.account = account_id AND id = transfer_id;
    SELECT * INTO spending FROM key_spending s WHERE s.account = account_id AND key_id = used_key;
    status := CASE
        WHEN written.request_hash <> hash THEN 1 -- exists with different content
        WHEN written.id IS NOT NULL THEN 2 -- exists
        WHEN account.id IS NULL THEN 3 -- unknown account
        WHEN account.closed_at IS NOT NULL THEN 4 -- account closed
        WHEN amount > key_limit - coalesce(spending.total, 0) THEN 5 -- key limit reached
        WHEN amount > key_daily_limit - CASE WHEN spending.day >= used_day THEN spending.today ELSE 0 END THEN 5
        WHEN change < 0 AND account.balance < amount THEN 6 -- insufficient tokens
        WHEN change < 0 AND account.balance - account.held < amount THEN 7 -- tokens held
        WHEN change > 0 AND account.balance > (1::bigint << 53) - 1 - amount THEN 8 -- balance too large
        ELSE 9 END; -- created

    IF status = 9 THEN
        UPDATE accounts SET balance = balance + change, version = version + 1, revision = revision + 1
        WHERE id = account_id RETURNING * INTO account;
        -- A day that is behind the key's comes from a slow clock, and counts for that of the key.
        INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after, reason,
            key_id, key_day)
        VALUES (account_id, transfer_id, account.version, change, kind, hash, account.balance, account.held, reason,
            used_key, greatest(used_day, spending.day));
        IF used_key IS NOT NULL THEN
            INSERT INTO key_spending AS k (account, key_id, total, day, today)
            VALUES (account_id, used_key, amount, used_day, amount)
            ON CONFLICT (account, key_id) DO UPDATE SET total = k.total + amount, day = greatest(k.day, used_day),
                today = CASE WHEN k.day >= used_day THEN k.today ELSE 0 END + amount;
        END IF;
    END IF;

    tokens := coalesce(written.balance_after - written.held_after, account.balance - account.held);
    balance := account.balance;
    held := account.held;
    revision := account.revision;
END $$;
