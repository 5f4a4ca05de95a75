-- wrk script: wrk ... -s load.lua URL -- MODE BODYFILE SEED ["Header: value" ...]
--   hit   the same body each time
--   miss  a body that was never sent before (SEED must differ from run to run)
-- BODYFILE holds @@N@@ once; a number of 12 digits takes its place, so that every body has the same length.
local PATH, MARK = "/v1/chat/completions", "@#@#@#@#@#@#"
local before, after, number, fixed

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  local mode, template = args[1], read(args[2])
  number = tonumber(args[3])
  for i = 4, #args do
    local name, value = args[i]:match("^([^:]+):%s*(.*)$")
    wrk.headers[name] = value
  end
  wrk.headers["Content-Type"] = "application/json"
  local whole = wrk.format("POST", PATH, wrk.headers, (template:gsub("@@N@@", MARK)))
  local first, last = whole:find(MARK, 1, true)
  before, after = whole:sub(1, first - 1), whole:sub(last + 1)
  if mode == "hit" then fixed = before .. string.format("%012d", 7) .. after end
end

function request()
  if fixed then return fixed end
  number = number + 1
  return before .. string.format("%012d", number) .. after
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"seconds":%f,"errors":%d,"p50_ms":%f,"p99_ms":%f}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
