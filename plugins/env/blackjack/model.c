/* The exact model of blackjack with an infinite deck: dealer's results, hits, sticks, first cards.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/blackjack/model.h"

#include <string.h>

#define N_CARDS 10u

static double card_probability(uint32_t card)
{
    return card == 10 ? 4.0 / 13.0 : 1.0 / 13.0;
}

/* raw: sum with aces as 1 */
static uint32_t total_of(uint32_t raw, uint32_t ace)
{
    return ace && raw + 10 <= 21 ? raw + 10 : raw;
}

void blackjack_dealer_init(struct blackjack_dealer *d)
{
    uint32_t shown, raw, ace, card;

    memset(d, 0, sizeof *d);
    for (shown = 1; shown <= 10; shown++) {
        double reach[32][2] = {{0}};
        reach[shown][shown == 1] = 1.0;
        for (raw = shown; raw < 32; raw++) /* sums only grow */
            for (ace = 0; ace < 2; ace++) {
                const uint32_t total = total_of(raw, ace);
                if (total >= 17) {
                    d->score[shown][total <= 21 ? total : 0] += reach[raw][ace];
                    continue;
                }
                for (card = 1; card <= N_CARDS; card++)
                    reach[raw + card][ace | (card == 1)] +=
                        reach[raw][ace] * card_probability(card);
            }
        if (shown == 1 || shown == 10)
            d->natural[shown] = card_probability(11 - shown);
    }
}

/* What the player sees; 0 when no hand is seen so. */
static void split(uint32_t state, uint32_t *sum, uint32_t *shown, uint32_t *ace)
{
    const int natural = state >= BLACKJACK_NATURAL;

    *sum = natural ? 21 : state / 22;
    *shown = natural ? state - BLACKJACK_NATURAL : state / 2 % 11;
    *ace = natural ? 1 : state % 2;
}

static uint32_t join(uint32_t sum, uint32_t shown, uint32_t ace)
{
    return (sum * 11 + shown) * 2 + ace;
}

uint32_t blackjack_hits(uint32_t state, struct lathe_outcome *out, uint32_t cap)
{
    uint32_t sum, shown, ace, card;

    split(state, &sum, &shown, &ace);
    if (sum > 21) { /* as the environment: a busted hand grows no further */
        if (cap >= 1)
            out[0] = (struct lathe_outcome){1.0, -1.0, state, 1};
        return 1;
    }
    for (card = 1; card <= N_CARDS && cap >= N_CARDS; card++) {
        const uint32_t raw = (ace && sum >= 10 ? sum - 10 : sum) + card;
        const uint32_t total = total_of(raw, ace || card == 1);
        out[card - 1] =
            (struct lathe_outcome){card_probability(card), total > 21 ? -1.0 : 0.0,
                                   join(total, shown, total > raw ? 1 : 0), total > 21 ? 1 : 0};
    }
    return N_CARDS;
}

uint32_t blackjack_sticks(const struct blackjack_dealer *d, int sab, double natural_pays,
                          uint32_t state, struct lathe_outcome *out, uint32_t cap)
{
    const int natural = state >= BLACKJACK_NATURAL;
    double lose = 0, draw = 0, win = 0;
    uint32_t sum, shown, ace, score;

    split(state, &sum, &shown, &ace);
    if (sum > 21)
        sum = 0;
    for (score = 0; score < 22; score++) {
        const double p = d->score[shown][score];
        if (score < sum)
            win += p;
        else if (score == sum)
            draw += p;
        else
            lose += p;
    }
    if (natural && sab) { /* beats a 21 of more cards */
        win += draw - d->natural[shown];
        draw = d->natural[shown];
    }
    if (cap >= 3) {
        out[0] = (struct lathe_outcome){lose, -1.0, state, 1};
        out[1] = (struct lathe_outcome){draw, 0.0, state, 1};
        out[2] =
            (struct lathe_outcome){win, natural && natural_pays > 0 ? natural_pays : 1.0, state, 1};
    }
    return 3;
}

uint32_t blackjack_deals(struct lathe_outcome *out, uint32_t cap)
{
    double hand[32][2] = {{0}}, natural = 0;
    uint32_t a, b, sum, ace, shown, n = 0;

    for (a = 1; a <= N_CARDS; a++)
        for (b = 1; b <= N_CARDS; b++) {
            const double p = card_probability(a) * card_probability(b);
            const uint32_t total = total_of(a + b, a == 1 || b == 1);
            if (total == 21)
                natural += p;
            else
                hand[total][total > a + b ? 1 : 0] += p;
        }
    for (shown = 1; shown <= N_CARDS; shown++) {
        const double p = card_probability(shown);
        for (sum = 0; sum < 22; sum++)
            for (ace = 0; ace < 2; ace++)
                if (hand[sum][ace] > 0) {
                    if (n < cap)
                        out[n] = (struct lathe_outcome){p * hand[sum][ace], 0.0,
                                                        join(sum, shown, ace), 0};
                    n++;
                }
        if (n < cap)
            out[n] = (struct lathe_outcome){p * natural, 0.0, BLACKJACK_NATURAL + shown, 0};
        n++;
    }
    return n;
}
