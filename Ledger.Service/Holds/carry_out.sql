-- Carries out a batch of items in their order and in one commit: what each finds is what the one before it has left.
-- The accounts are locked first, in the order of their ids, so that no two batches wait for each other; every later
-- statement sees all that was committed by then. Nothing is returned, and nothing done, while one of hold_accounts is
-- not open. Kinds: 1 hold, 2 capture, 3 release. Outcomes: HoldOutcome.
-- With a patience of 0 nobody is waited for: items of accounts that are locked fail, and all others are carried out.
CREATE FUNCTION carry_out(
    kinds smallint[], account_ids bigint[], ids uuid[], holders uuid[], hashes bytea[], amounts bigint[],
    key_ids bigint[], key_limits bigint[], key_daily_limits bigint[], key_monthly_limits bigint[],
    conversations uuid[], hold_accounts bigint[], utc_day date, patience_ms int)
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
    rest bigint;
    spent_on date;
    reached int;
    locked bigint[];
    busy bigint[] := '{}';
BEGIN
    -- One that is opened while this waits is not locked by it: what is not locked is not touched, and its items fail.
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

        -- Looked up after its holds: where there is no account now, there were none.
        IF account_ids[i] <> ALL (locked) AND EXISTS (SELECT FROM accounts WHERE id = account_ids[i]) THEN
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
            -- One that is behind comes from a slow clock, and counts for the day that others have begun.
            spent_on := greatest(utc_day, spending.day, account.month);
            reached := 0;
            IF key_ids[i] IS NOT NULL OR account.monthly_budget IS NOT NULL THEN
                reached := limit_reached(account, spending, amount, spent_on,
                    key_limits[i], key_daily_limits[i], key_monthly_limits[i]);
            END IF;
            IF account.id IS NULL THEN
                outcome := 10; -- unknown account
            ELSIF account.closed_at IS NOT NULL THEN
                outcome := 7; -- account closed
            ELSIF reached = 1 THEN
                outcome := 8; -- key limit reached
            ELSIF reached = 2 THEN
                outcome := 11; -- budget reached
            ELSIF account.balance - account.held < amount THEN
                outcome := 9; -- insufficient tokens
            ELSE
                outcome := 1; -- held
                INSERT INTO holds (account_id, id, holder, request_hash, amount, day, key_id, conversation)
                VALUES (account_ids[i], ids[i], holders[i], hashes[i], amount, spent_on, key_ids[i], conversations[i]);
                UPDATE accounts SET held = held + amount, revision = revision + 1, month = month_of(spent_on),
                    this_month = CASE WHEN month = month_of(spent_on) THEN this_month ELSE 0 END + amount
                WHERE id = account_ids[i];
                IF key_ids[i] IS NOT NULL THEN
                    PERFORM spend_with_key(account_ids[i], key_ids[i], amount, spent_on,
                        key_limits[i], key_daily_limits[i], key_monthly_limits[i]);
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
            rest := hold.amount - cost;
            amount := coalesce(-transfer.amount, cost);
            DELETE FROM holds WHERE account_id = account_ids[i] AND id = ids[i];
            UPDATE accounts SET held = held - hold.amount, balance = balance - cost,
                version = version + CASE WHEN cost > 0 THEN 1 ELSE 0 END, revision = revision + 1,
                this_month = this_month - CASE WHEN month = month_of(hold.day) THEN rest ELSE 0 END
            WHERE id = account_ids[i] RETURNING * INTO account;
            IF cost > 0 THEN
                taken := cost;
                INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after,
                    key_id, day)
                VALUES (account_ids[i], ids[i], account.version, -cost, 2, hold.request_hash, account.balance,
                    account.held, hold.key_id, hold.day);
            END IF;
            -- To the day and the month only while they are still those of the hold.
            IF hold.key_id IS NOT NULL AND rest > 0 THEN
                UPDATE key_spending SET total = total - rest,
                    today = today - CASE WHEN day = hold.day THEN rest ELSE 0 END,
                    this_month = this_month - CASE WHEN month_of(day) = month_of(hold.day) THEN rest ELSE 0 END
                WHERE account = account_ids[i] AND key_id = hold.key_id;
            END IF;
            IF cost > 0 AND (hold.key_id IS NOT NULL OR account.monthly_budget IS NOT NULL) THEN
                PERFORM note_limits(account_ids[i], hold.key_id);
            END IF;
        END IF;

        SELECT a.balance, a.held, a.revision INTO balance, held, revision FROM accounts a WHERE a.id = account_ids[i];
        RETURN NEXT;
    END LOOP;
END $$;
