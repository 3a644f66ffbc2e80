-- Carries out a batch of items in their order and in one commit: what each finds is what the one before it has left.
-- The accounts are locked first, in the order of their ids, so that no two batches wait for each other; every later
-- statement sees all that was committed by then. Nothing is returned, and nothing done, while one of hold_accounts is
-- not open. Kinds: 1 hold, 2 capture, 3 release. Outcomes: HoldOutcome.
-- With a patience of 0 nobody is waited for: items of accounts that are locked fail, and all others are carried out.
CREATE FUNCTION carry_out(
    kinds smallint[], account_ids bigint[], ids uuid[], holders uuid[], hashes bytea[], amounts bigint[],
    key_ids bigint[], key_limits bigint[], key_daily_limits bigint[], key_days date[], conversations uuid[],
    hold_accounts bigint[], patience_ms int)
RETURNS TABLE (outcome smallint, amount bigint, balance bigint, held bigint, revision bigint, taken bigint)
-- Holds come and go: a plan made while there were few would read all dead rows later.
LANGUAGE plpgsql SET lock_timeout = '500ms' SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    account accounts;
    hold holds;
    transfer transfers;
    spending key_spending;
    cost bigint;
    locked bigint[];
    busy bigint[] := '{}';
BEGIN
    -- One that is opened while this waits is not locked by it: what is not locked is not touched.
    IF patience_ms > 0 THEN
        PERFORM set_config('lock_timeout', patience_ms::text, true);
        locked := ARRAY(SELECT id FROM accounts WHERE id = ANY (account_ids) ORDER BY id FOR NO KEY UPDATE);
    ELSE
        locked := ARRAY(SELECT id FROM accounts WHERE id = ANY (account_ids) FOR NO KEY UPDATE SKIP LOCKED);
        busy := ARRAY(SELECT id FROM accounts WHERE id = ANY (account_ids) AND id <> ALL (locked));
    END IF;
    IF NOT hold_accounts <@ (locked || busy) THEN
        RETURN;
    END IF;
    PERFORM set_config('lock_timeout', '500', true);

    FOR i IN 1 .. cardinality(kinds) LOOP
        SELECT * INTO hold FROM holds WHERE account_id = account_ids[i] AND id = ids[i];
        SELECT * INTO transfer FROM transfers WHERE id = ids[i] AND account = account_ids[i];
        amount := 0;
        taken := 0;

        IF account_ids[i] = ANY (busy) THEN
            outcome := 0; -- failed
        ELSIF kinds[i] = 1 AND (transfer.id IS NOT NULL OR hold.id IS NOT NULL) THEN
            outcome := CASE
                WHEN coalesce(transfer.request_hash, hold.request_hash) <> hashes[i] THEN 6 -- conflict
                WHEN transfer.id IS NOT NULL THEN 2 -- captured
                WHEN hold.holder <> holders[i] THEN 5 -- in progress
                ELSE 1 END; -- held
            amount := coalesce(-transfer.amount, hold.amount);
        ELSIF kinds[i] = 1 THEN
            SELECT * INTO account FROM accounts WHERE id = account_ids[i];
            SELECT * INTO spending FROM key_spending WHERE account = account_ids[i] AND key_id = key_ids[i];
            amount := amounts[i];
            IF account.id IS NULL THEN
                outcome := 10; -- unknown account
            ELSIF account.closed_at IS NOT NULL THEN
                outcome := 7; -- account closed
            ELSIF coalesce(spending.total, 0) + amount > key_limits[i]
                OR (CASE WHEN spending.day >= key_days[i] THEN spending.today ELSE 0 END) + amount
                    > key_daily_limits[i]
            THEN
                outcome := 8; -- key limit reached
            ELSIF account.balance - account.held < amount THEN
                outcome := 9; -- insufficient tokens
            ELSE
                outcome := 1; -- held
                -- A day that is behind the key's comes from a slow clock, and counts for that of the key.
                INSERT INTO holds (account_id, id, holder, request_hash, amount, key_id, key_day, conversation)
                VALUES (account_ids[i], ids[i], holders[i], hashes[i], amount, key_ids[i],
                    greatest(key_days[i], spending.day), conversations[i]);
                UPDATE accounts SET held = held + amount, revision = revision + 1 WHERE id = account_ids[i];
                IF key_ids[i] IS NOT NULL THEN
                    INSERT INTO key_spending AS k (account, key_id, total, day, today)
                    VALUES (account_ids[i], key_ids[i], amount, key_days[i], amount)
                    ON CONFLICT (account, key_id) DO UPDATE SET total = k.total + amount,
                        day = greatest(k.day, key_days[i]),
                        today = CASE WHEN k.day >= key_days[i] THEN k.today ELSE 0 END + amount;
                END IF;
            END IF;
        ELSIF hold.id IS NULL THEN
            amount := coalesce(-transfer.amount, 0);
            outcome := CASE
                WHEN transfer.id IS NOT NULL THEN 2 -- captured
                WHEN kinds[i] = 3 THEN 3 -- released
                WHEN amounts[i] = 0 THEN 2 -- captured: what is free leaves no transfer
                ELSE 4 END; -- unknown hold
        ELSIF kinds[i] = 3 AND hold.holder <> holders[i] THEN
            outcome := 5; -- in progress
        ELSE
            outcome := kinds[i];
            cost := CASE WHEN kinds[i] = 2 AND transfer.id IS NULL THEN least(amounts[i], hold.amount) ELSE 0 END;
            amount := coalesce(-transfer.amount, cost);
            DELETE FROM holds WHERE account_id = account_ids[i] AND id = ids[i];
            UPDATE accounts SET held = held - hold.amount, balance = balance - cost,
                version = version + CASE WHEN cost > 0 THEN 1 ELSE 0 END, revision = revision + 1
            WHERE id = account_ids[i] RETURNING * INTO account;
            IF cost > 0 THEN
                taken := cost;
                INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after,
                    key_id, key_day)
                VALUES (account_ids[i], ids[i], account.version, -cost, 2, hold.request_hash, account.balance,
                    account.held, hold.key_id, hold.key_day);
            END IF;
            IF hold.key_id IS NOT NULL AND cost < hold.amount THEN
                UPDATE key_spending SET total = total - (hold.amount - cost),
                    today = today - CASE WHEN day = hold.key_day THEN hold.amount - cost ELSE 0 END
                WHERE account = account_ids[i] AND key_id = hold.key_id;
            END IF;
        END IF;

        SELECT a.balance, a.held, a.revision INTO balance, held, revision FROM accounts a WHERE a.id = account_ids[i];
        RETURN NEXT;
    END LOOP;
END $$;
