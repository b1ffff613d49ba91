/* Blackjack as a finite decision problem. The dealer's hidden card is unknown to the player, so
 * sticking has the distribution of the dealer's results as its outcome. Threads: [any]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BLACKJACK_MODEL_H
#define BLACKJACK_MODEL_H

#include "lathe/env.h"

/* State (sum * 11 + dealer's card) * 2 + usable ace, the mixed-radix index of the observation;
 * behind them naturals against each dealer's card, which are observed as (21, card, 1). */
#define BLACKJACK_NATURAL (32u * 11u * 2u)
#define BLACKJACK_STATES (BLACKJACK_NATURAL + 11u)

/* Probabilities of what a dealer who shows a card ends with: score 17 .. 21, or 0 for a bust;
 * natural is contained in score 21. */
struct blackjack_dealer {
    double score[11][22], natural[11];
};

void blackjack_dealer_init(struct blackjack_dealer *d);

/* Outcomes in the form of struct lathe_env_model: at most cap are written; returns their number.
 * natural_pays: reward of a winning natural, 0 = like any other hand; sab: it also wins against
 * a dealer's 21 of more cards. */
uint32_t blackjack_hits(uint32_t state, struct lathe_outcome *out, uint32_t cap);
uint32_t blackjack_sticks(const struct blackjack_dealer *d, int sab, double natural_pays,
                          uint32_t state, struct lathe_outcome *out, uint32_t cap);
uint32_t blackjack_deals(struct lathe_outcome *out, uint32_t cap);

#endif
