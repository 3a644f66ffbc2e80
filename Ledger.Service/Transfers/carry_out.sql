-- Carries out a batch of items in their order and in one commit: what each finds is what the one before it has left.
-- The accounts are locked first, in the order of their ids, so that no two batches wait for each other; every later
-- statement sees all that was committed by then. With a patience of 0 nobody is waited for: items of accounts that are
-- locked fail, and all others are carried out. Kinds and outcomes have the names of HoldOperation and HoldOutcome. The
-- amount is what is held, was captured or is needed; of one that exists and was no hold, what could be spent then.
CREATE FUNCTION carry_out(
    kinds text[], account_ids bigint[], ids uuid[], holders uuid[], hashes bytea[], amounts bigint[],
    key_ids bigint[], key_limits bigint[], key_daily_limits bigint[], key_monthly_limits bigint[],
    conversations uuid[], reason text, utc_day date, patience_ms int)
RETURNS TABLE (outcome text, amount bigint, change bigint, account accounts)
-- Holds come and go: a plan made while there were few would read all dead rows later.
LANGUAGE plpgsql SET lock_timeout = '500ms' SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    locked bigint[];
    kind text;
    hold holds;
    transfer transfers;
    spending key_spending;
    used_key bigint;
    spent_on date;
    more_held bigint;
    more_spent bigint; -- Of the month and the key, where what is held counts as spent.
    is_change boolean;
BEGIN
    IF patience_ms > 0 THEN
        PERFORM set_config('lock_timeout', patience_ms::text, true);
        locked := ARRAY(SELECT id FROM accounts WHERE id = ANY (account_ids) ORDER BY id FOR NO KEY UPDATE);
        PERFORM set_config('lock_timeout', '500', true);
    ELSE
        locked := ARRAY(SELECT id FROM accounts WHERE id = ANY (account_ids) FOR NO KEY UPDATE SKIP LOCKED);
    END IF;

    FOR i IN 1 .. cardinality(kinds) LOOP
        -- The account last: where there is none by then, there were no holds.
        SELECT * INTO hold FROM holds WHERE account_id = account_ids[i] AND id = ids[i];
        SELECT * INTO transfer FROM transfers WHERE account = account_ids[i] AND id = ids[i];
        SELECT * INTO account FROM accounts WHERE id = account_ids[i];
        kind := kinds[i];
        change := 0;
        is_change := false;

        IF account.id IS NOT NULL AND account.id <> ALL (locked) THEN
            -- Another transaction has it, or has opened it since: what is not locked is not touched.
            outcome := CASE WHEN patience_ms = 0 THEN 'failed' ELSE 'unknown_account' END;
            amount := 0;

        ELSIF kind IN ('capture', 'release') THEN
            amount := coalesce(-transfer.amount, 0);
            outcome := CASE
                WHEN kind = 'release' AND hold.holder <> holders[i] THEN 'in_progress'
                WHEN kind = 'release' AND (hold.id IS NOT NULL OR transfer.id IS NULL) THEN 'released'
                WHEN hold.id IS NULL AND transfer.id IS NULL AND amounts[i] > 0 THEN 'unknown_hold'
                ELSE 'captured' END; -- What is free leaves no transfer.
            is_change := hold.id IS NOT NULL AND outcome <> 'in_progress';
            IF is_change THEN
                IF kind = 'capture' AND transfer.id IS NULL THEN
                    change := -least(amounts[i], hold.amount);
                    amount := -change;
                END IF;
                more_held := -hold.amount;
                more_spent := more_held - change;
                spent_on := hold.day;
                used_key := hold.key_id;
                DELETE FROM holds WHERE account_id = account_ids[i] AND id = ids[i];
                -- To the day and the month only while they are still those of the hold.
                IF used_key IS NOT NULL AND more_spent < 0 THEN
                    UPDATE key_spending SET total = total + more_spent,
                        today = today + CASE WHEN day = spent_on THEN more_spent ELSE 0 END,
                        this_month = this_month
                            + CASE WHEN month_of(day) = month_of(spent_on) THEN more_spent ELSE 0 END
                    WHERE account = account_ids[i] AND key_id = used_key;
                END IF;
            END IF;

        ELSE
            amount := CASE WHEN kind = 'hold' THEN coalesce(-transfer.amount, hold.amount, amounts[i])
                WHEN transfer.id IS NOT NULL THEN transfer.balance_after - transfer.held_after
                ELSE amounts[i] END;
            used_key := key_ids[i];
            spending := NULL;
            IF used_key IS NOT NULL THEN
                SELECT * INTO spending FROM key_spending WHERE account = account_ids[i] AND key_id = used_key;
            END IF;
            -- One that is behind comes from a slow clock, and counts for the day that others have begun.
            spent_on := CASE WHEN kind IN ('hold', 'deduct') THEN greatest(utc_day, spending.day, account.month) END;
            -- In order of precedence.
            outcome := CASE
                WHEN kind = 'hold' AND coalesce(transfer.request_hash, hold.request_hash) <> hashes[i] THEN 'conflict'
                WHEN kind = 'hold' AND transfer.id IS NOT NULL THEN 'captured'
                WHEN kind = 'hold' AND hold.holder <> holders[i] THEN 'in_progress'
                WHEN kind = 'hold' AND hold.id IS NOT NULL THEN 'held'
                WHEN transfer.request_hash <> hashes[i] THEN 'exists_with_different_content'
                WHEN transfer.id IS NOT NULL THEN 'exists'
                WHEN account.id IS NULL THEN 'unknown_account'
                WHEN account.closed_at IS NOT NULL THEN 'account_closed'
                WHEN used_key IS NOT NULL AND (amount > key_limits[i] - coalesce(spending.total, 0)
                    OR amount > key_daily_limits[i] - CASE WHEN spending.day = spent_on THEN spending.today ELSE 0 END
                    OR amount > key_monthly_limits[i] - CASE WHEN month_of(spending.day) = month_of(spent_on)
                        THEN spending.this_month ELSE 0 END) THEN 'key_limit_reached'
                WHEN kind IN ('hold', 'deduct') AND amount > account.monthly_budget - CASE
                    WHEN account.month = month_of(spent_on) THEN account.this_month ELSE 0 END THEN 'budget_reached'
                WHEN kind IN ('deduct', 'adjust') AND amount > account.balance THEN 'insufficient_tokens'
                WHEN kind IN ('deduct', 'adjust') AND amount > account.balance - account.held THEN 'tokens_held'
                WHEN kind = 'hold' AND amount > account.balance - account.held THEN 'insufficient_tokens'
                WHEN kind = 'credit' AND account.balance > (1::bigint << 53) - 1 - amount THEN 'balance_too_large'
                WHEN kind = 'hold' THEN 'held'
                ELSE 'created' END;
            is_change := outcome = 'created' OR (outcome = 'held' AND hold.id IS NULL);
            IF is_change THEN
                change := CASE kind WHEN 'hold' THEN 0 WHEN 'credit' THEN amount ELSE -amount END;
                more_held := CASE kind WHEN 'hold' THEN amount ELSE 0 END;
                more_spent := amount;
                IF kind = 'hold' THEN
                    INSERT INTO holds (account_id, id, holder, request_hash, amount, day, key_id, conversation)
                    VALUES (account_ids[i], ids[i], holders[i], hashes[i], amount, spent_on, used_key,
                        conversations[i]);
                END IF;
                IF used_key IS NOT NULL THEN
                    INSERT INTO key_spending AS k (account, key_id, total, day, today, this_month,
                        total_limit, daily_limit, monthly_limit)
                    VALUES (account_ids[i], used_key, amount, spent_on, amount, amount,
                        key_limits[i], key_daily_limits[i], key_monthly_limits[i])
                    ON CONFLICT (account, key_id) DO UPDATE SET total = k.total + excluded.total,
                        today = CASE WHEN k.day = spent_on THEN k.today ELSE 0 END + excluded.today,
                        this_month = CASE WHEN month_of(k.day) = month_of(spent_on) THEN k.this_month ELSE 0 END
                            + excluded.this_month,
                        day = excluded.day, total_limit = excluded.total_limit,
                        daily_limit = excluded.daily_limit, monthly_limit = excluded.monthly_limit;
                END IF;
            END IF;
        END IF;

        IF is_change THEN
            UPDATE accounts SET balance = balance + change, held = held + more_held,
                version = version + (change <> 0)::int, revision = revision + 1,
                month = greatest(month, month_of(spent_on)),
                this_month = CASE
                    WHEN month = month_of(spent_on) THEN this_month + more_spent
                    WHEN spent_on IS NULL OR month > spent_on THEN this_month -- By an administrator; a month that is over.
                    ELSE more_spent END
            WHERE id = account_ids[i] RETURNING * INTO account;
        END IF;
        IF change <> 0 THEN
            INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after, reason,
                key_id, day)
            VALUES (account_ids[i], ids[i], account.version, change,
                CASE kind WHEN 'capture' THEN 2 WHEN 'deduct' THEN 3 WHEN 'credit' THEN 4 ELSE 5 END,
                CASE kind WHEN 'capture' THEN hold.request_hash ELSE hashes[i] END,
                account.balance, account.held, reason, used_key, spent_on);
        END IF;
        IF change < 0 AND spent_on IS NOT NULL AND (used_key IS NOT NULL OR account.monthly_budget IS NOT NULL) THEN
            PERFORM note_limits(account_ids[i], used_key);
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
