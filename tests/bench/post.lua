-- wrk -s post.lua URL -- BODY-FILE [close]
-- Posts one body again and again; "close" asks for a new connection each time.
function init(args)
    local file = assert(io.open(args[1], "rb"))
    local body = file:read("*a")
    file:close()
    wrk.headers["Content-Type"] = "application/json"
    if args[2] == "close" then
        wrk.headers["Connection"] = "close"
    end
    prepared = wrk.format("POST", nil, nil, body)
end

function request()
    return prepared
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "seconds": %.6f, "errors": %d, "refused": %d, "p50_us": %d, "p99_us": %d}\n',
        summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.timeout, e.status,
        latency:percentile(50), latency:percentile(99)))
end
