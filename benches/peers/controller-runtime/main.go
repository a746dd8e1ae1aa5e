// A ModuleConfig webhook as one writes it with controller-runtime: typed objects, the library's own decoder and
// handler, the same rules as Hatchway's. With --schema, settings are judged by the API server's own schema and
// defaulting code. It is measured, never deployed.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

func main() {
	certificate := flag.String("certificate", "", "certificate, PEM")
	key := flag.String("key", "", "its key, PEM")
	objects := flag.String("objects", "", "the other objects, a JSON List")
	withSchema := flag.Bool("schema", false, "judge settings by their schema")
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := serve(*certificate, *key, *objects, *withSchema); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(certificate, key, objects string, withSchema bool) error {
	world, err := readWorld(objects, withSchema)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(groupVersion, &ModuleConfig{})
	handler, err := admission.StandaloneWebhook(
		admission.WithValidator[*ModuleConfig](scheme, &validator{world: world}),
		admission.StandaloneOptions{MetricsPath: "/validate"},
	)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address, err := json.Marshal(map[string]string{"https": listener.Addr().String()})
	if err != nil {
		return err
	}
	fmt.Println(string(address))
	mux := http.NewServeMux()
	mux.Handle("/validate", handler)
	server := &http.Server{Handler: mux, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	return server.ServeTLS(listener, certificate, key)
}
