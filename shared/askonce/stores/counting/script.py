"""What the server of Redis does with a round trip of counting, and what is said in both directions. Knows no client.

Of each claim there are two hashes: `<name>|w`, what was counted in its minute (`e` when that ends in milliseconds of
the server's clock, `n` requests, `t` tokens, and for each lease `l…`, when it ends), and `<name>|p`, what each frontend
has under way, and until when that is believed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from askonce.stores.counting.protocol import Kind

KINDS: Final = (Kind.REQUESTS, Kind.TOKENS, Kind.PARALLEL)  # by the numbers that the script has for them

SCRIPT: Final = """
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local windows, others, mine = {}, {}, {}

local function window(i)
  local w = windows[i]
  if not w then
    local v = redis.call('HMGET', KEYS[2 * i - 1], 'e', 'n', 't')
    w = {e = tonumber(v[1]) or 0, n = tonumber(v[2]) or 0, t = tonumber(v[3]) or 0}
    if w.e <= now then
      w = {e = 0, n = 0, t = 0}
      redis.call('UNLINK', KEYS[2 * i - 1])
    end
    windows[i] = w
  end
  return w
end

local function add(i, name, amount)
  local w, key = window(i), KEYS[2 * i - 1]
  w[name] = w[name] + amount
  if w.e == 0 then
    w.e = now + ask.window
    redis.call('HSET', key, 'e', w.e, name, w[name])
    redis.call('PEXPIREAT', key, w.e)
  else
    redis.call('HSET', key, name, w[name])
  end
end

local function leased(i)
  local soonest
  local v = redis.call('HGETALL', KEYS[2 * i - 1])
  for k = 1, #v, 2 do
    local ends = tonumber(v[k + 1])
    if string.sub(v[k], 1, 1) == 'l' and ends + ask.grace > now then
      soonest = math.min(soonest or ends, ends)
    end
  end
  return soonest and math.max(soonest - now, ask.again) or 0
end

for i, held in ipairs(ask.held) do
  if held >= 0 then
    mine[i], others[i] = held, 0
    local v = redis.call('HGETALL', KEYS[2 * i])
    for k = 1, #v, 2 do
      local count, ends = string.match(v[k + 1], '^(%d+) (%d+)$')
      if v[k] ~= ask.me then
        if count and tonumber(ends) > now then
          others[i] = others[i] + tonumber(count)
        else
          redis.call('HDEL', KEYS[2 * i], v[k])
        end
      end
    end
  end
end

for _, back in ipairs(ask.back) do
  for _, one in ipairs(back.from) do
    if window(one[1]).e == one[2] then
      if back.rest > 0 then add(one[1], 'n', -back.rest) end
      redis.call('HDEL', KEYS[2 * one[1] - 1], 'l' .. back.id)
    end
  end
end

for _, spent in ipairs(ask.spent) do
  add(spent[1], 't', spent[2])
end

local answers = {}
for number, group in ipairs(ask.groups) do
  local room, claim, kind = math.huge, 0, 0
  local function limit(left, j, which)
    if left < room then room, claim, kind = math.max(left, 0), j, which end
  end
  local far, leasable = math.huge, group.wish > 0
  for j, c in ipairs(group.claims) do
    local w = window(c[1])
    if c[2] >= 0 then
      limit(c[2] - w.n, j, 1)
      far = math.min(far, c[2] - w.n)
    end
    if c[3] >= 0 then
      if w.t >= c[3] then limit(0, j, 2) end
      if w.t * 16 > c[3] * 15 then leasable = false end
    end
    if c[4] >= 0 then
      limit(c[4] - others[c[1]] - mine[c[1]], j, 3)
      leasable = false
    end
  end
  local granted = math.min(group.want, room)
  local lease, lasts, reset, wait = 0, 0, 0, 0
  if granted == group.want and leasable then
    lease = math.min(group.wish, math.floor((far - granted) / 16))
  end
  if granted + lease > 0 then
    lasts = ask.lease
    for _, c in ipairs(group.claims) do
      if c[2] >= 0 or c[3] >= 0 then
        add(c[1], 'n', granted + lease)
        lasts = math.min(lasts, window(c[1]).e - now)
      end
      if c[4] >= 0 then mine[c[1]] = mine[c[1]] + granted end
    end
  end
  if granted < group.want then
    local c = group.claims[claim]
    local ends = window(c[1]).e
    reset = ends > 0 and ends - now or ask.window
    if kind == 1 then wait = leased(c[1]) end
  end
  local answer = {granted, lease, lasts, claim, kind, reset, wait}
  for _, c in ipairs(group.claims) do
    if lease > 0 and c[2] >= 0 then
      redis.call('HSET', KEYS[2 * c[1] - 1], 'l' .. group.id, now + lasts)
    end
    answer[#answer + 1] = window(c[1]).e
  end
  answers[number] = answer
end

for i, held in ipairs(ask.held) do
  if held >= 0 then
    if mine[i] > 0 then
      redis.call('HSET', KEYS[2 * i], ask.me, string.format('%d %d', mine[i], now + ask.slot))
      redis.call('PEXPIRE', KEYS[2 * i], ask.slot)
    else
      redis.call('HDEL', KEYS[2 * i], ask.me)
    end
  end
end
if ask.probe then redis.call('SET', KEYS[1], '1', 'PX', 1000) end
return answers
"""
SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # as EVALSHA has it

_GRACE: Final = 500  # ms that the rest of a lease is waited for after its end, while a busy frontend gives it back
_AGAIN: Final = 10  # ms, the least between two looks for that


@dataclass(frozen=True, slots=True)
class Terms:
    """Times in milliseconds: of a window, of a lease, and of what a frontend says of its requests under way."""

    window: int
    lease: int
    slot: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """`want` requests are let in now, and `wish` more may be leased; both under `limits`, as `Trip.limits` has them."""

    id: str
    limits: Sequence[tuple[int, int, int, int]]
    want: int
    wish: int


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one Wanted. `wait` is in seconds, until others may have given back what they leased; `claim`, from
    0, and `kind` say which limit was met. `ends` has the window of each claim.
    """

    granted: int
    leased: int
    lasts: float
    claim: int
    kind: Kind | None
    resets_in: float
    wait: float
    ends: Sequence[int]

    @classmethod
    def read(cls, answer: Sequence[int]) -> "Told":
        granted, leased, lasts, claim, kind, reset, wait, *ends = answer
        met = KINDS[kind - 1] if kind else None
        return cls(granted, leased, lasts / 1000, claim - 1, met, reset / 1000, wait / 1000, ends)


@dataclass(slots=True)
class Trip:
    """What one frontend says in one round trip. The claims have numbers in it, from 1."""

    me: str
    names: dict[str, int] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)  # by claim: requests under way here; -1 where nothing limits these
    spent: list[tuple[int, int]] = field(default_factory=list)
    back: list[dict[str, Any]] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    probe: bool = False

    def number(self, name: str, held: int = -1) -> int:
        number = self.names.setdefault(name, len(self.names) + 1)
        if number > len(self.held):
            self.held.append(held)
        elif held >= 0:
            self.held[number - 1] = held
        return number

    def give_back(self, lease: str, windows: Sequence[tuple[str, int]], rest: int) -> None:
        """The rest of a lease, by the claims and the windows that it was taken from."""
        places = [(self.number(name), ends) for name, ends in windows]
        self.back.append({"id": lease, "from": places, "rest": rest})

    def keys(self, prefix: str) -> list[str]:
        if not self.names:
            return [f"{prefix}probe"]
        return [f"{prefix}{name}|{kind}" for name in self.names for kind in "wp"]

    def said(self, terms: Terms) -> bytes:
        groups = [{"id": one.id, "claims": one.limits, "want": one.want, "wish": one.wish} for one in self.wanted]
        times = {"window": terms.window, "lease": terms.lease, "slot": terms.slot, "grace": _GRACE, "again": _AGAIN}
        said = {"me": self.me, "held": self.held, "back": self.back, "spent": self.spent, "groups": groups}
        return orjson.dumps({**said, **times, "probe": self.probe})
