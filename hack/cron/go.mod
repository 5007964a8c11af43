module backstop/hack/cron

go 1.25

require github.com/robfig/cron/v3 v3.0.1

require github.com/netresearch/go-cron v0.15.0
