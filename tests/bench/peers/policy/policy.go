// Package policy is what both Go webhooks decide: backstop's three jobs in their
// simplest form, so that the comparison is not of who checks more.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Facts are what the decisions rest on, all in memory.
type Facts struct {
	Locations map[string]string   // phase by name
	Backups   map[string][]string // providers by name
}

// NewFacts are those of bodies.py: 50 storage locations, ten Backups of an Azure platform.
func NewFacts() *Facts {
	f := &Facts{Locations: map[string]string{}, Backups: map[string][]string{}}
	for i := range 50 {
		f.Locations[fmt.Sprintf("location-%02d", i)] = "Available"
	}
	providers := []string{"bootstrap-k0sproject-k0smotron", "cluster-api", "infrastructure-azure"}
	for i := range 10 {
		f.Backups[fmt.Sprintf("kcm-backup-%d", 20261120000000-i)] = providers
	}
	return f
}

var excluded = map[string][]string{
	"infrastructure-azure": {
		"natgateways.network.azure.com", "resourcegroups.resources.azure.com",
		"virtualnetworks.network.azure.com", "virtualnetworkssubnets.network.azure.com",
	},
}

// Backup checks a ManagementBackup and says when it runs next.
func (f *Facts) Backup(location, schedule string) (warning string, err error) {
	phase, ok := f.Locations[location]
	if !ok {
		return "", fmt.Errorf("spec.storageLocation: no BackupStorageLocation %q", location)
	}
	if phase != "Available" {
		return "", fmt.Errorf("spec.storageLocation: BackupStorageLocation %q is %s", location, phase)
	}
	if schedule == "" {
		return "", nil
	}
	parsed, err := cron.ParseStandard(schedule)
	if err != nil {
		return "", fmt.Errorf("spec.schedule: %w", err)
	}
	runs, at := make([]string, 3), time.Now().UTC()
	for i := range runs {
		at = parsed.Next(at)
		runs[i] = at.Format(time.RFC3339)
	}
	return "spec.schedule: next " + strings.Join(runs, ", "), nil
}

// Missing are the exclusions that a Restore of this Backup needs besides those it has.
func (f *Facts) Missing(backup string, has []string) (missing []string, err error) {
	providers, ok := f.Backups[backup]
	if !ok {
		return nil, fmt.Errorf("spec.backupName: no Backup %q", backup)
	}
	for _, provider := range providers {
		for _, resource := range excluded[provider] {
			if !slices.Contains(has, resource) {
				missing = append(missing, resource)
			}
		}
	}
	return missing, nil
}

// Upgrade denies a change of the release; bodies.py changes none.
func (f *Facts) Upgrade(before, after string) error {
	if before != after {
		return fmt.Errorf("spec.release: the upgrade from %q to %q needs a backup", before, after)
	}
	return nil
}
