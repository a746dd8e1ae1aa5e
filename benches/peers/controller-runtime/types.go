package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "deckhouse.io", Version: "v1alpha1"}

// ModuleConfig is a module's configuration.
type ModuleConfig struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ModuleConfigSpec   `json:"spec"`
	Status ModuleConfigStatus `json:"status,omitempty"`
}

// ModuleConfigSpec is what people write.
type ModuleConfigSpec struct {
	Enabled      *bool          `json:"enabled,omitempty"`
	Version      *int           `json:"version,omitempty"`
	Settings     map[string]any `json:"settings,omitempty"`
	Source       string         `json:"source,omitempty"`
	UpdatePolicy string         `json:"updatePolicy,omitempty"`
	Maintenance  string         `json:"maintenance,omitempty"`
}

// ModuleConfigStatus is what controllers write.
type ModuleConfigStatus struct {
	Version string `json:"version,omitempty"`
	Message string `json:"message,omitempty"`
}

// DeepCopyObject copies all of it.
func (c *ModuleConfig) DeepCopyObject() runtime.Object {
	out := *c
	c.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Settings = runtime.DeepCopyJSON(c.Spec.Settings)
	return &out
}

// Module is what is known of a module.
type Module struct {
	metav1.ObjectMeta `json:"metadata"`
	Properties        struct {
		Stage            string   `json:"stage"`
		ExclusiveGroup   string   `json:"exclusiveGroup"`
		AvailableSources []string `json:"availableSources"`
		Requirements     struct {
			Modules map[string]string `json:"modules"`
		} `json:"requirements"`
		DisableOptions struct {
			Confirmation bool   `json:"confirmation"`
			Message      string `json:"message"`
		} `json:"disableOptions"`
	} `json:"properties"`
}
